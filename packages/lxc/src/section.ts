import { parseSignal } from "@pileus/core/files";
import { z } from "zod";

/** The section `lxc` of an instance's configuration. */
export const LxcSectionSchema = z
  .strictObject({
    /** Ids inside are the host's own. Root inside is then root outside, held back by capabilities and cgroups alone. */
    privileged: z.boolean().default(false),
    /** argv of PID 1. Default `/sbin/init`. */
    init: z
      .array(z.string().regex(/^[^\0]*$/, "an argument has no NUL"))
      .min(1)
      .refine(([program]) => program !== "", "the first word is the program: it has a name")
      .optional(),
    /** What asks PID 1 for an orderly end. Default: what the program that `init` leads to is known to take. */
    haltSignal: z
      .string()
      .refine((text) => parseSignal(text) !== undefined, "no such signal: write SIGTERM, SIGRTMIN+3 or a number")
      .optional(),
  })
  .prefault({});
/** The section as the driver reads it, with its defaults. */
export type LxcSection = z.output<typeof LxcSectionSchema>;
/** The section as a caller writes it. */
export type LxcSectionInput = z.input<typeof LxcSectionSchema>;
