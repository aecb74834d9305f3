import { z } from "zod";
import type { Frozen, Holds, Same } from "./same.ts";
import { shorthand } from "./shorthand.ts";
import { type BytesInput, BytesOrNoneSchema, BytesSchema } from "./units.ts";

/** {@link LimitsInput.memory} with what belongs to it. */
export interface MemoryLimitInput {
  /** The most memory, as bytes or as `"256MiB"` or `"256m"`. */
  readonly limit: BytesInput;
  /**
   * The most swap space beside `limit`, as bytes or as `"256MiB"`; 0 for none. Default: no limit. Containers only, on
   * hosts whose kernel counts swap space; elsewhere it is refused with the reason.
   */
  readonly swap?: BytesInput | undefined;
}

/** {@link MemoryLimitInput} in bytes. */
export interface MemoryLimit extends MemoryLimitInput {
  readonly limit: number;
  readonly swap?: number | undefined;
}

/**
 * What an instance may use at most. A limit left out is no limit for a container, and for a virtual machine its size by
 * default: one processor, 512 MiB.
 */
export interface LimitsInput {
  /** Processors: whole ones for a virtual machine, fractions too for a container (`0.5`). */
  readonly cpu?: number | undefined;
  /**
   * The most memory; the size of a virtual machine's memory. Bytes, or a size as in `"256MiB"` or `"256m"`, alone or as
   * `limit` of an object that bounds the swap space, too.
   */
  readonly memory?: BytesInput | MemoryLimitInput | undefined;
  /** The most processes and threads. Containers only. */
  readonly processes?: number | undefined;
}

/** {@link LimitsInput} as drivers read it. */
export interface Limits extends LimitsInput {
  readonly memory?: MemoryLimit | undefined;
}

export const MemoryLimitSchema = z.strictObject({ limit: BytesSchema, swap: BytesOrNoneSchema.optional() });

/** Reads {@link LimitsInput}. */
export const LimitsSchema = z.strictObject({
  cpu: z.number().positive().max(4096).optional(),
  memory: shorthand("limit", MemoryLimitSchema).optional(),
  processes: z.number().int().positive().max(4_194_304).optional(),
});
type _Limits = Holds<Same<Limits, Frozen<z.output<typeof LimitsSchema>>>>;
type _LimitsInput = Holds<Same<LimitsInput, Frozen<z.input<typeof LimitsSchema>>>>;
