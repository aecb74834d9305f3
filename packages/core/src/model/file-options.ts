import { z } from "zod";
import { BoundSchema } from "./amount.ts";
import { ProgressListenerSchema, SignalSchema } from "./call-options.ts";
import { noNul } from "./no-nul.ts";
import { OwnerSchema } from "./owner.ts";

/** A path on the host. A relative one starts at the working directory of the process. */
export const HostPathSchema = noNul("a path", "must be a path on the host").min(
  1,
  "must be a path on the host, but is empty",
);

/** The options of `files.read()`, `stat()`, `exists()`, `list()` and `listAll()`. */
export const LookOptionsSchema = z.strictObject({ signal: SignalSchema.optional() });

/** The options of `files.readAll()`. */
export const ReadAllOptionsSchema = z.strictObject({
  maxSize: BoundSchema.default(16 * 2 ** 20),
  signal: SignalSchema.optional(),
});

/** The content of `files.writeText()`. */
export const TextSchema = z.string("must be a string: write() takes bytes");

/** The options of `files.write()`. */
export const WriteOptionsSchema = OwnerSchema.extend({ signal: SignalSchema.optional() });

/** The options of `files.mkdir()`. */
export const MkdirOptionsSchema = WriteOptionsSchema.extend({ recursive: z.boolean().optional() });

/** The options of `files.remove()`. */
export const RemoveOptionsSchema = MkdirOptionsSchema.pick({ recursive: true, signal: true });

/** The options of `files.pull()`. */
export const PullOptionsSchema = z.strictObject({
  signal: SignalSchema.optional(),
  onProgress: ProgressListenerSchema.optional(),
});

/** The options of `files.push()`. */
export const PushOptionsSchema = PullOptionsSchema.extend({
  ...OwnerSchema.pick({ uid: true, gid: true }).shape,
  dereference: z.boolean().optional(),
});
