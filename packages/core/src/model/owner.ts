import { z } from "zod";

// (uid_t)-1 means "leave it" to chown(2).
const IdSchema = z
  .number()
  .int()
  .min(0)
  .max(2 ** 32 - 2);

/** The owner and the permission bits of a file inside an instance. */
export const OwnerSchema = z.strictObject({
  uid: IdSchema.optional(),
  gid: IdSchema.optional(),
  mode: z.number().int().min(0).max(0o7777).optional(),
});
