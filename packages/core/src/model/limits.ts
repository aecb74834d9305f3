import { z } from "zod";
import type { Frozen, Holds, Same } from "../terms/same.ts";
import { shorthand } from "./shorthand.ts";
import { type BytesInput, BytesOrNoneSchema, BytesSchema } from "./units.ts";

/** {@link LimitsInput.memory} as an object. */
export interface MemoryLimitInput {
  /** The most memory, as bytes or as `"256MiB"` or `"256m"`. */
  readonly limit: BytesInput;
  /**
   * The most swap space in addition to `limit`, as bytes or as `"256MiB"`; 0 for none. Default: no limit. Only for
   * containers, on hosts whose kernel accounts for swap; elsewhere it is refused with the reason.
   */
  readonly swap?: BytesInput | undefined;
}

/** {@link MemoryLimitInput} in bytes. */
export interface MemoryLimit extends MemoryLimitInput {
  readonly limit: number;
  readonly swap?: number | undefined;
}

/**
 * The most that an instance may use. Without a limit of memory or processors, a container is not limited, and a virtual
 * machine has its default size: one processor, 512 MiB.
 */
export interface LimitsInput {
  /** Processors: whole numbers for a virtual machine; for a container also fractions (`0.5`). */
  readonly cpu?: number | undefined;
  /**
   * The most memory of a container, or the memory size of a virtual machine: bytes, or a size as in `"256MiB"` or
   * `"256m"`. As `limit` of an object, together with a limit of the swap space.
   */
  readonly memory?: BytesInput | MemoryLimitInput | undefined;
  /**
   * The most processes and threads. Containers only. Default: 16,384, or 15 % of what the host can have if that is less.
   * 4,194,304 is as many as any host has.
   */
  readonly processes?: number | undefined;
}

/** {@link LimitsInput} as drivers read it. */
export interface Limits extends LimitsInput {
  readonly memory?: MemoryLimit | undefined;
}

/** The error for a share of a processor in percent, as systemd and LXD write it. */
function percentIssue({ code, input }: z.core.$ZodRawIssue): string | undefined {
  const [, percent] = (code === "invalid_type" && /^(\d{1,6}(?:\.\d{1,6})?)%$/.exec(String(input))) || [];
  return percent && `must be a number of processors, but is a string: write ${Number(percent) / 100}`;
}

export const MemoryLimitSchema = z.strictObject({ limit: BytesSchema, swap: BytesOrNoneSchema.optional() });

/** Reads {@link LimitsInput}. */
export const LimitsSchema = z.strictObject({
  cpu: z.number({ error: percentIssue }).positive().max(4096).optional(),
  memory: shorthand("limit", MemoryLimitSchema).optional(),
  processes: z.number().int().positive().max(4_194_304).optional(),
});
type _Limits = Holds<Same<Limits, Frozen<z.output<typeof LimitsSchema>>>>;
type _LimitsInput = Holds<Same<LimitsInput, Frozen<z.input<typeof LimitsSchema>>>>;
