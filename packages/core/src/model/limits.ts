import { z } from "zod";
import { BytesSchema } from "./units.ts";

/**
 * What an instance may use at most. A limit left out is no limit for a container, and for a virtual machine its size by
 * default: one processor, 512 MiB.
 */
export const LimitsSchema = z.strictObject({
  /** Processors: whole ones for a virtual machine, fractions too for a container (`0.5`). */
  cpu: z.number().positive().max(4096).optional(),
  /** Hard limit; the size of a virtual machine's memory. */
  memory: BytesSchema.optional(),
  /** Processes and threads. */
  processes: z.number().int().positive().max(4_194_304).optional(),
});
export type Limits = z.output<typeof LimitsSchema>;
export type LimitsInput = z.input<typeof LimitsSchema>;
