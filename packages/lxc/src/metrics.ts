import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { InstanceMetrics } from "@pileus/core";
import { type CgroupLayout, type NicAttachment, readTraffic } from "@pileus/core/driver";
import { readDiskTraffic } from "./disk-traffic.ts";
import { oomKills } from "./oom-kills.ts";

/** Version 1 represents "no limit" by the largest multiple of a page in 63 bits. */
const UNLIMITED = 2 ** 62;

/**
 * The exponent that turns a figure into our unit. It is appended to the digits, because nanoseconds exceed 2^53, the
 * limit of exact numbers, after 104 days of one processor.
 */
type Scale = "" | "e-6" | "e-9";

/** What is measured. */
export interface MeasuredContainer {
  readonly cgroups: Pick<CgroupLayout, "controller">;
  /** Its cgroup for a controller; `undefined` when it is ending. */
  folder(controller: string): string | undefined;
  /** The cgroup in that, in which its init begins. */
  readonly inner: string;
  readonly nics: readonly NicAttachment[];
}

/** Reads the figures of one container. */
export async function readMetrics({
  cgroups: layout,
  folder,
  inner,
  nics,
}: MeasuredContainer): Promise<InstanceMetrics> {
  // Found first: a failure here must not leave a pending read that no one awaits.
  const folders = { cpu: folder("cpuacct"), memory: folder("memory"), processes: folder("pids") };
  const disk = readDiskTraffic(layout, folder("io"));
  const network = readTraffic(nics);
  const kills = oomKills(layout, folders.memory, inner);
  const [cpu, memory, processes] = await Promise.all([
    readCpu(layout, folders.cpu),
    readMemory(layout, folders.memory),
    readNumber(folders.processes, "pids.current"),
  ]);
  return {
    cpu: { seconds: cpu },
    memory: { ...memory, oomKills: folders.memory === undefined ? undefined : kills },
    processes,
    network,
    disk: disk && { root: disk },
  };
}

async function readCpu(layout: Pick<CgroupLayout, "controller">, folder: string | undefined): Promise<number> {
  if (layout.controller("cpuacct")?.version === 1) return (await readNumber(folder, "cpuacct.usage", "e-9")) ?? 0;
  return await readField(folder, "cpu.stat", "usage_usec", "e-6");
}

// Page cache that was not used lately can be reclaimed at once: free(1) and docker stats also leave it out.
async function readMemory(
  layout: Pick<CgroupLayout, "controller">,
  folder: string | undefined,
): Promise<InstanceMetrics["memory"]> {
  const first = layout.controller("memory")?.version === 1;
  const [used, limit, idle, swap] = await Promise.all([
    readNumber(folder, first ? "memory.usage_in_bytes" : "memory.current"),
    readNumber(folder, first ? "memory.limit_in_bytes" : "memory.max"),
    readField(folder, "memory.stat", first ? "total_inactive_file" : "inactive_file"),
    first ? readSwapped(folder) : readNumber(folder, "memory.swap.current"),
  ]);
  return {
    bytes: Math.max(0, (used ?? 0) - idle),
    limitBytes: limit === undefined || limit >= UNLIMITED ? undefined : limit,
    swapBytes: swap,
  };
}

/** Version 1 has the line only if the kernel counts swap space. */
async function readSwapped(folder: string | undefined): Promise<number | undefined> {
  const [, swapped] = /^total_swap (\d+)$/m.exec(await readCgroupFile(folder, "memory.stat")) ?? [];
  return swapped === undefined ? undefined : Number(swapped);
}

/** `undefined` for `max`, and if the host has no such controller. */
async function readNumber(folder: string | undefined, file: string, scale: Scale = ""): Promise<number | undefined> {
  const text = (await readCgroupFile(folder, file)).trim();
  return /^\d+$/.test(text) ? Number(text + scale) : undefined;
}

async function readField(folder: string | undefined, file: string, field: string, scale: Scale = ""): Promise<number> {
  const text = new RegExp(`^${field} (\\d+)$`, "m").exec(await readCgroupFile(folder, file))?.[1];
  return Number((text ?? "0") + scale);
}

async function readCgroupFile(folder: string | undefined, file: string): Promise<string> {
  return folder === undefined ? "" : await readFile(join(folder, file), "utf8");
}
