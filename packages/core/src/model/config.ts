import { z } from "zod";
import type { Frozen, Holds, Same } from "../terms/same.ts";
import { type Devices, type DevicesInput, DevicesSchema } from "./device/device.ts";
import type { Disk } from "./device/disk.ts";
import { type VolumeInput, VolumesSchema } from "./device/volume.ts";
import { EnvSchema } from "./env.ts";
import type { Image } from "./image.ts";
import { type Limits, type LimitsInput, LimitsSchema } from "./limits.ts";
import { type LogBounds, type LogBoundsInput, LogBoundsSchema } from "./log-bounds.ts";
import { NameSchema } from "./name.ts";
import { recordOf } from "./record-of.ts";
import { prepared } from "./shorthand.ts";
import { objectAs } from "./wording.ts";

/**
 * The part of an instance's configuration that all drivers share. A section named after the driver (`lxc`, `oci`,
 * `qemu`) has the keys of that driver.
 */
export interface CommonConfigInput {
  /** Unique on the host: an RFC 1123 label. Also the instance's host name. */
  readonly name: string;
  /** The name of one of the host's drivers. */
  readonly driver: string;
  /**
   * What `images.import()` returned, or a reference to an image of the host: an alias, a fingerprint, or a unique
   * prefix of a fingerprint with at least 12 digits.
   */
  readonly image: string | Image;
  /** Limits on resources. Default: none for a container; one processor and 512 MiB for a virtual machine. */
  readonly limits?: LimitsInput | undefined;
  /** The devices of the instance, by name. In a container the name of a nic is the name of its interface. */
  readonly devices?: DevicesInput | undefined;
  /**
   * Disks in the words of `docker run --volume`: `["./src:/src:ro"]`, or objects as in `{ source: "/srv", path: "/data" }`.
   * Each becomes a device of the type `disk`, named after its path: `/var/lib/data` is `var-lib-data`. Only folders and
   * files of the host; a relative one is below the working directory.
   */
  readonly volumes?: readonly (string | VolumeInput)[] | undefined;
  /** Added to the environment of the main process (containers) and of every `exec`. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** How much is kept of what it prints. */
  readonly log?: LogBoundsInput | undefined;
  /** The caller's own notes, for filters. Keys have 1 to 255 characters, values at most 4096. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

/** A valid configuration with its defaults, the driver's section included. */
export interface InstanceConfig extends CommonConfigInput {
  /** A reference to an image of the host. */
  readonly image: string;
  readonly limits: Limits;
  readonly devices: Devices;
  /** Absent in an instance: `create()` has made devices of them. */
  readonly volumes?: readonly Disk[] | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly log?: LogBounds | undefined;
  readonly labels: Readonly<Record<string, string>>;
  /** The section of the driver, by the driver's name. */
  readonly [section: string]: unknown;
}

const AN_IMAGE = "write the alias or the fingerprint of an image, or what images.import() returned";

// An image that `images.import()` returned is replaced by its fingerprint.
const ImageReferenceSchema = prepared(
  (value) => (typeof value === "object" && value !== null && "fingerprint" in value ? value.fingerprint : value),
  z
    .string({
      error: ({ code, input }) =>
        code === "invalid_type"
          ? `${input === undefined ? "is missing" : "must be a string or an image"}: ${AN_IMAGE}`
          : undefined,
    })
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
  volumes: VolumesSchema.optional(),
  env: EnvSchema.default({}),
  log: LogBoundsSchema.optional(),
  labels: recordOf(z.string().min(1).max(255), z.string().max(4096), objectAs('{ app: "web" }')).default({}),
});
type Common = Pick<InstanceConfig, keyof z.output<typeof CommonConfigSchema>>;
type _InstanceConfig = Holds<Same<Frozen<Common>, Frozen<z.output<typeof CommonConfigSchema>>>>;
type _CommonConfigInput = Holds<Same<Frozen<CommonConfigInput>, Frozen<z.input<typeof CommonConfigSchema>>>>;
