import type { IdmapMode, IdmapSettings, IdmapSettingsInput } from "@pileus/core";
import { type Frozen, type Holds, IdmapSettingsSchema, type Same } from "@pileus/core/driver";
import {
  APPLICATION_DEFAULTS,
  type ConfinementInput,
  type ConfinementSection,
  confinementKeys,
  idmapIssue,
} from "@pileus/lxc/runtime";
import { z } from "zod";
import { ArgumentsSchema, StopSignalSchema, UserSchema, WorkdirSchema } from "./program-schemas.ts";

/**
 * The section `oci` of an instance's configuration, as a caller writes it. The image gives the values that are left
 * out.
 */
export interface OciSectionInput extends ConfinementInput {
  /** Replaces the image's entrypoint, and with it drops the image's `cmd`. */
  readonly entrypoint?: readonly string[] | undefined;
  /** Replaces the image's `cmd`: the arguments of the entrypoint, or the program itself if there is no entrypoint. */
  readonly cmd?: readonly string[] | undefined;
  /** The program's working directory, an absolute path inside. Made if it is missing. */
  readonly workdir?: string | undefined;
  /**
   * The user that the program runs as: `name`, `uid`, `name:group` or `uid:gid`. Names are looked up in the instance's
   * own `/etc/passwd` and `/etc/group`.
   */
  readonly user?: string | undefined;
  /**
   * The signal that `stop()` sends: `SIGINT`, `SIGRTMIN+3`, `15`. The program has the whole timeout of the stop to end.
   */
  readonly stopSignal?: string | undefined;
  /**
   * Runs our small init as PID 1 and the program as its child. The init reaps orphaned processes, forwards signals to
   * the program, and ends with it. If a signal ended the program, the exit code is 128 plus that signal, as under
   * `docker run --init`. Default false: the program itself is PID 1, and the kernel drops signals that it does not
   * handle.
   */
  readonly init?: boolean | undefined;
  /**
   * Runs the init of `init` alone, instead of the image's program, until `stop()`: the image then serves `exec` calls.
   * Default false.
   */
  readonly keepAlive?: boolean | undefined;
  /**
   * What /proc and /sys show of the whole host. `default`: files that tell its secrets are hidden, and the switches of
   * the kernel are read-only, as in Docker. `unconfined`: only what the kernel itself protects.
   */
  readonly systemPaths?: "default" | "unconfined" | undefined;
  /** Root inside is root of the host. Default false: the instance's ids are shifted. */
  readonly privileged?: boolean | undefined;
  /**
   * Which ids of the host an unprivileged instance has. `isolated` (default): a range of its own, which no other
   * instance and no user of the host has. `shared`: the range of all instances of this host with `shared`. As an object
   * also the first id and the number of ids.
   */
  readonly idmap?: IdmapMode | IdmapSettingsInput | undefined;
}

/** {@link OciSectionInput} as the driver reads it, with its defaults. */
export interface OciSection extends Omit<OciSectionInput, keyof ConfinementInput>, ConfinementSection {
  readonly init: boolean;
  readonly keepAlive: boolean;
  readonly privileged: boolean;
  readonly idmap?: IdmapSettings | undefined;
  readonly systemPaths: "default" | "unconfined";
}

declare module "@pileus/core" {
  interface DriverSections {
    /** The configuration that only an application container has. The image gives the values that are left out. */
    oci: OciSectionInput;
  }
}

const KeysSchema = z.strictObject({
  entrypoint: ArgumentsSchema.optional(),
  cmd: ArgumentsSchema.optional(),
  workdir: WorkdirSchema.optional(),
  user: UserSchema.optional(),
  stopSignal: StopSignalSchema.optional(),
  init: z.boolean().default(false),
  keepAlive: z.boolean().default(false),
  privileged: z.boolean().default(false),
  idmap: IdmapSettingsSchema.optional(),
  ...confinementKeys(APPLICATION_DEFAULTS),
  systemPaths: z.enum(["default", "unconfined"]).default("default"),
});
const schema = KeysSchema.superRefine((section, context) => {
  const { keepAlive, entrypoint, cmd, stopSignal } = section;
  const message = idmapIssue(section);
  if (message !== undefined) context.addIssue({ code: "custom", path: ["idmap"], message });
  if (!keepAlive) return;
  for (const [key, value] of Object.entries({ entrypoint, cmd, stopSignal })) {
    if (value === undefined) continue;
    context.addIssue({
      code: "custom",
      path: [key],
      message: "keepAlive starts no program: leave this or keepAlive out",
    });
  }
});
type _OciSection = Holds<Same<OciSection, Frozen<z.output<typeof schema>>>>;
type _OciSectionInput = Holds<Same<OciSectionInput, Frozen<z.input<typeof schema>>>>;

/** Reads {@link OciSectionInput}. */
export const OciSectionSchema: z.ZodType<OciSection, OciSectionInput | undefined> = schema.prefault({});
