import { z } from "zod";

// (uid_t)-1 means "unchanged" to chown(2).
const IdSchema = z
  .number()
  .int()
  .min(0)
  .max(2 ** 32 - 2);

/** The hint for a mode that is written as octal text, as for `chmod`. */
function modeIssue({ input }: z.core.$ZodRawIssue): string | undefined {
  const octal = typeof input === "string" ? /^0?([0-7]{3,4})$/.exec(input)?.[1] : undefined;
  return octal === undefined ? undefined : `must be a number: write 0o${octal}`;
}

/** The owner and the permission bits of a file inside an instance. */
export const OwnerSchema = z.strictObject({
  uid: IdSchema.optional(),
  gid: IdSchema.optional(),
  mode: z.number({ error: modeIssue }).int().min(0).max(0o7777).optional(),
});
