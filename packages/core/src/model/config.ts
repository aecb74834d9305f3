import { z } from "zod";
import { DevicesSchema } from "./device/device.ts";
import { EnvSchema } from "./env.ts";
import { LimitsSchema } from "./limits.ts";
import { NameSchema } from "./name.ts";

/** A string of an image: its fingerprint, a unique prefix of at least 12 digits, or an alias. */
const ImageReferenceSchema = z.string().min(1).max(255);

/** The part of an instance's configuration that all drivers share. */
export const CommonConfigSchema = z.strictObject({
  name: NameSchema,
  /** The name of one of the host's drivers. */
  driver: z.string().min(1),
  image: ImageReferenceSchema,
  limits: LimitsSchema.default({}),
  devices: DevicesSchema.default({}),
  /** Added to the environment of the main process (containers) and of every `exec`. */
  env: EnvSchema.default({}),
  /** The caller's own notes: kept, never read. */
  labels: z.record(z.string().min(1).max(255), z.string().max(4096)).default({}),
});

/**
 * A valid configuration with its defaults. Beside the common keys stands one section named after the driver (`lxc`,
 * `oci`, `qemu`), whose schema is the driver's own.
 */
export type InstanceConfig = z.output<typeof CommonConfigSchema> & { readonly [section: string]: unknown };

/** What a caller writes: see {@link InstanceConfig}. */
export type CommonConfigInput = z.input<typeof CommonConfigSchema>;
