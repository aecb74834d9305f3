import type { IdmapMode, IdmapSettings, IdmapSettingsInput } from "@pileus/core";
import {
  ArgumentSchema,
  argvIssue,
  type Frozen,
  type Holds,
  IdmapSettingsSchema,
  type Same,
} from "@pileus/core/driver";
import { parseSignal } from "@pileus/core/files";
import { z } from "zod";
import {
  type ConfinementInput,
  type ConfinementSection,
  confinementKeys,
  SYSTEM_DEFAULTS,
} from "./confinement-section.ts";
import { idmapIssue } from "./idmap.ts";

/** The section `lxc` of an instance's configuration, as a caller writes it. */
export interface LxcSectionInput extends ConfinementInput {
  /**
   * Ids inside are the host's own. Root inside is then root outside, restricted only by capabilities and cgroups.
   * Default false: the instance's ids are shifted.
   */
  readonly privileged?: boolean | undefined;
  /**
   * Which ids of the host an unprivileged instance has. `isolated` (default): a range of its own, which no other
   * instance and no user of the host has. `shared`: the range of all instances of this host with `shared`. As an object
   * also the first id and the number of ids.
   */
  readonly idmap?: IdmapMode | IdmapSettingsInput | undefined;
  /** argv of PID 1. Default `/sbin/init`. */
  readonly init?: readonly string[] | undefined;
  /**
   * The signal that asks PID 1 for an orderly end: `SIGTERM`, `SIGRTMIN+3`, `15`. Default: the signal that the program
   * of `init` is known to take.
   */
  readonly haltSignal?: string | undefined;
}

/** {@link LxcSectionInput} as the driver reads it, with its defaults. */
export interface LxcSection extends Omit<LxcSectionInput, keyof ConfinementInput>, ConfinementSection {
  readonly privileged: boolean;
  readonly idmap?: IdmapSettings | undefined;
}

declare module "@pileus/core" {
  interface DriverSections {
    /** The configuration that only a system container of liblxc has. */
    lxc: LxcSectionInput;
  }
}

const KeysSchema = z.strictObject({
  ...confinementKeys(SYSTEM_DEFAULTS),
  privileged: z.boolean().default(false),
  idmap: IdmapSettingsSchema.optional(),
  init: z
    .array(ArgumentSchema, { error: argvIssue })
    .min(1)
    .refine(([program]) => program !== "", "the first word is the program: it cannot be empty")
    .readonly()
    .optional(),
  haltSignal: z
    .string()
    .refine((text) => parseSignal(text) !== undefined, "no such signal: write SIGTERM, SIGRTMIN+3 or a number")
    .optional(),
});
const schema = KeysSchema.superRefine((section, context) => {
  const message = idmapIssue(section);
  if (message !== undefined) context.addIssue({ code: "custom", path: ["idmap"], message });
});
type _LxcSection = Holds<Same<LxcSection, Frozen<z.output<typeof schema>>>>;
type _LxcSectionInput = Holds<Same<LxcSectionInput, Frozen<z.input<typeof schema>>>>;

/** Reads {@link LxcSectionInput}. */
export const LxcSectionSchema: z.ZodType<LxcSection, LxcSectionInput | undefined> = schema.prefault({});
