import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { InstanceMetrics } from "@pileus/core";
import type { CgroupLayout } from "@pileus/core/driver";

/** Version 1 says "no limit" by the largest multiple of a page in 63 bits. */
const UNLIMITED = 2 ** 62;

/** Reads the figures of one container; `folder` finds its cgroup for a controller. */
export async function readMetrics(
  layout: Pick<CgroupLayout, "controller">,
  folder: (controller: string) => string | undefined,
): Promise<InstanceMetrics> {
  // Found first: a look that fails must not leave a reading that nobody waits for.
  const folders = { cpu: folder("cpuacct"), memory: folder("memory"), processes: folder("pids") };
  const [cpu, memory, processes] = await Promise.all([
    readCpu(layout, folders.cpu),
    readMemory(layout, folders.memory),
    readNumber(folders.processes, "pids.current"),
  ]);
  return { cpu: { usage: cpu }, memory, processes };
}

async function readCpu(layout: Pick<CgroupLayout, "controller">, folder: string | undefined): Promise<number> {
  if (layout.controller("cpuacct")?.version === 1) return (await readNumber(folder, "cpuacct.usage")) ?? 0;
  return (await readField(folder, "cpu.stat", "usage_usec")) * 1000;
}

// What the page cache holds and nobody used lately can be had back at once: free(1) and docker stats leave it out, too.
async function readMemory(
  layout: Pick<CgroupLayout, "controller">,
  folder: string | undefined,
): Promise<InstanceMetrics["memory"]> {
  const first = layout.controller("memory")?.version === 1;
  const [used, limit, idle] = await Promise.all([
    readNumber(folder, first ? "memory.usage_in_bytes" : "memory.current"),
    readNumber(folder, first ? "memory.limit_in_bytes" : "memory.max"),
    readField(folder, "memory.stat", first ? "total_inactive_file" : "inactive_file"),
  ]);
  return {
    usage: Math.max(0, (used ?? 0) - idle),
    limit: limit === undefined || limit >= UNLIMITED ? undefined : limit,
  };
}

/** `undefined` for `max`, and where the host has no such controller. */
async function readNumber(folder: string | undefined, file: string): Promise<number | undefined> {
  const text = (await readCgroupFile(folder, file)).trim();
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

async function readField(folder: string | undefined, file: string, field: string): Promise<number> {
  return Number(new RegExp(`^${field} (\\d+)$`, "m").exec(await readCgroupFile(folder, file))?.[1] ?? 0);
}

async function readCgroupFile(folder: string | undefined, file: string): Promise<string> {
  return folder === undefined ? "" : await readFile(join(folder, file), "utf8");
}
