import { z } from "zod";
import type { Frozen, Holds, Same } from "../terms/same.ts";
import { ProcessorSetSchema } from "./processor-set.ts";
import { shorthand } from "./shorthand.ts";
import { type BytesInput, BytesOrNoneSchema, BytesSchema } from "./units.ts";

/** {@link LimitsInput.cpu} as an object. */
export interface CpuLimit {
  /**
   * How much processor time it may use, in processors: whole numbers for a virtual machine; for a container also
   * fractions. `0.5` is what Incus calls an allowance of 50ms/100ms. Default: no limit; one for a virtual machine.
   */
  readonly limit?: number | undefined;
  /**
   * The processors of the host that it may use, numbered from 0, as in `"0-3,6"` (cpuset(7), list format). One that the
   * host does not have is refused. Only for containers. Default: all.
   */
  readonly set?: string | undefined;
  /**
   * Its share of processors that others want too, from 0 to 10: as much as those with the same number, half of those with
   * twice the number, and with 0 next to nothing. Without others it may use all. Only for containers. Default: 10, which
   * is what every other program of the host has.
   */
  readonly priority?: number | undefined;
}

/** {@link LimitsInput.memory} as an object. */
export interface MemoryLimitInput {
  /** The most memory, as bytes or as `"256MiB"` or `"256m"`. */
  readonly limit: BytesInput;
  /**
   * The most swap space in addition to `limit`, as bytes or as `"256MiB"`; 0 for none. Default: no limit. Only for
   * containers, on hosts whose kernel accounts for swap; elsewhere it is refused with the reason.
   */
  readonly swap?: BytesInput | undefined;
  /**
   * So much is left to it when the host runs out of memory, as long as the kernel can take more from others; at most
   * `limit`. Bytes, or a size. In version 1 of cgroups this is the soft limit, in version 2 `memory.low`, which has taken
   * its place (cgroup-v2.rst, "Issues with v1 and Rationales for v2"). Only for containers. Default: nothing.
   */
  readonly soft?: BytesInput | undefined;
}

/** {@link MemoryLimitInput} in bytes. */
export interface MemoryLimit extends MemoryLimitInput {
  readonly limit: number;
  readonly swap?: number | undefined;
  readonly soft?: number | undefined;
}

/**
 * The most that an instance may use. Without a limit of memory or processors, a container is not limited, and a virtual
 * machine has its default size: one processor, 512 MiB.
 */
export interface LimitsInput {
  /**
   * Processors: whole numbers for a virtual machine; for a container also fractions (`0.5`). As `limit` of an object,
   * together with which processors of the host, and with the share of those that others want too.
   */
  readonly cpu?: number | CpuLimit | undefined;
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
  readonly cpu?: CpuLimit | undefined;
  readonly memory?: MemoryLimit | undefined;
}

/** The error for a share of a processor in percent, as systemd and LXD write it. */
function percentIssue({ code, input }: z.core.$ZodRawIssue): string | undefined {
  const [, percent] = (code === "invalid_type" && /^(\d{1,6}(?:\.\d{1,6})?)%$/.exec(String(input))) || [];
  return percent && `must be a number of processors, but is a string: write ${Number(percent) / 100}`;
}

export const CpuLimitSchema = z.strictObject({
  limit: z.number({ error: percentIssue }).positive().max(4096).optional(),
  set: ProcessorSetSchema.optional(),
  priority: z.number().int().min(0).max(10).optional(),
});

export const MemoryLimitSchema = z
  .strictObject({ limit: BytesSchema, swap: BytesOrNoneSchema.optional(), soft: BytesOrNoneSchema.optional() })
  .refine(({ limit, soft = 0 }) => soft <= limit, { path: ["soft"], error: "must be at most limit" });

/** Reads {@link LimitsInput}. */
export const LimitsSchema = z.strictObject({
  cpu: shorthand("limit", CpuLimitSchema).optional(),
  memory: shorthand("limit", MemoryLimitSchema).optional(),
  processes: z.number().int().positive().max(4_194_304).optional(),
});
type _Limits = Holds<Same<Limits, Frozen<z.output<typeof LimitsSchema>>>>;
type _LimitsInput = Holds<Same<LimitsInput, Frozen<z.input<typeof LimitsSchema>>>>;
