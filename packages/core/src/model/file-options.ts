import { z } from "zod";
import { BoundSchema } from "./amount.ts";
import { ProgressListenerSchema, SignalSchema } from "./call-options.ts";
import { OwnerSchema } from "./owner.ts";

/** A path on the host, from the caller's working directory where it is relative. */
export const HostPathSchema = z
  .string("must be a path on the host")
  .min(1, "must be a path on the host, and is empty")
  .regex(/^[^\0]*$/, "a path has no NUL");

/** The options of `files.readAll()`. */
export const ReadAllOptionsSchema = z.strictObject({
  maxSize: BoundSchema.default(16 * 2 ** 20),
  signal: SignalSchema.optional(),
});

/** The content of `files.writeText()`. */
export const TextSchema = z.string("must be text: write() takes bytes");

/** Of `files.write()`. */
export const WriteOptionsSchema = OwnerSchema.extend({ signal: SignalSchema.optional() });

/** Of `files.mkdir()`. */
export const MkdirOptionsSchema = WriteOptionsSchema.extend({ recursive: z.boolean().optional() });

/** Of `files.remove()`. */
export const RemoveOptionsSchema = MkdirOptionsSchema.pick({ recursive: true, signal: true });

/** Of `files.pull()`. */
export const PullOptionsSchema = z.strictObject({
  signal: SignalSchema.optional(),
  onProgress: ProgressListenerSchema.optional(),
});

/** Of `files.push()`. */
export const PushOptionsSchema = PullOptionsSchema.extend({
  ...OwnerSchema.pick({ uid: true, gid: true }).shape,
  dereference: z.boolean().optional(),
});
