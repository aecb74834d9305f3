import { z } from "zod";
import { type Devices, type DevicesInput, DevicesSchema } from "./device/device.ts";
import { EnvSchema } from "./env.ts";
import type { Image } from "./image.ts";
import { type Limits, type LimitsInput, LimitsSchema } from "./limits.ts";
import { NameSchema } from "./name.ts";
import type { Frozen, Holds, Same } from "./same.ts";
import { required } from "./wording.ts";

/**
 * The part of an instance's configuration that all drivers share. Beside it stands one section named after the driver
 * (`lxc`, `oci`, `qemu`), whose keys are the driver's own.
 */
export interface CommonConfigInput {
  /** Unique on the host: an RFC 1123 label. Also the instance's host name. */
  readonly name: string;
  /** The name of one of the host's drivers. */
  readonly driver: string;
  /**
   * What `images.import()` returned; or a reference to an image of the host: an alias, a fingerprint, or a unique prefix
   * of one with at least 12 digits.
   */
  readonly image: string | Image;
  /** What the instance may use at most. Default: no limit for a container; one processor and 512 MiB for a machine. */
  readonly limits?: LimitsInput | undefined;
  /** What is attached to the instance, by name. The name of a nic is that of its interface inside a container. */
  readonly devices?: DevicesInput | undefined;
  /** Added to the environment of the main process (containers) and of every `exec`. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** The caller's own notes: kept, never read. Keys have 1 to 255 characters, values at most 4096. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

/** A valid configuration with its defaults, the driver's section included. */
export interface InstanceConfig extends CommonConfigInput {
  /** A reference to an image of the host. */
  readonly image: string;
  readonly limits: Limits;
  readonly devices: Devices;
  readonly env: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** The section of the driver, by the driver's name. */
  readonly [section: string]: unknown;
}

// An image as `images.import()` returned it stands for its fingerprint.
const ImageReferenceSchema = z.preprocess(
  (value) => (typeof value === "object" && value !== null && "fingerprint" in value ? value.fingerprint : value),
  z
    .string(required("write the alias or the fingerprint of an image, or what images.import() returned"))
    .min(1)
    .max(255),
) as unknown as z.ZodType<string, string | Image>;

/** Reads {@link CommonConfigInput}. */
export const CommonConfigSchema = z.strictObject({
  name: NameSchema,
  driver: z.string().min(1),
  image: ImageReferenceSchema,
  limits: LimitsSchema.default({}),
  devices: DevicesSchema.default({}),
  env: EnvSchema.default({}),
  labels: z.record(z.string().min(1).max(255), z.string().max(4096)).default({}),
});
type Common = Pick<InstanceConfig, keyof z.output<typeof CommonConfigSchema>>;
type _InstanceConfig = Holds<Same<Frozen<Common>, Frozen<z.output<typeof CommonConfigSchema>>>>;
type _CommonConfigInput = Holds<Same<CommonConfigInput, Frozen<z.input<typeof CommonConfigSchema>>>>;
