import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { ConfigIssue, Limits } from "@pileus/core";
import type { CgroupLayout, ControllerMount } from "@pileus/core/driver";
import type { ConfigEntry } from "./config/render.ts";
import { cpuFiles, refusedCpu } from "./cpu-limits.ts";
import type { LimitFile } from "./limit-file.ts";

type Controllers = Pick<CgroupLayout, "controller">;

const CONTROLLERS = { memory: "memory", processes: "pids" } as const;

/**
 * Bytes. With less, not even a container of BusyBox can be entered. With 128 KiB a start hangs forever instead of
 * failing (Linux 6.18).
 */
const MIN_MEMORY = 2 ** 20;

/** As systemd limits the processes of a container that it runs: systemd-nspawn, `TasksMax`. */
const MOST_PROCESSES = 16_384;
/** As systemd limits those of a service: system.conf(5), `DefaultTasksMax=`. */
const SHARE_OF_PROCESSES = 0.15;

/**
 * How many processes and threads a container may have whose configuration does not say: a program that forks without
 * end must leave the host enough. proc_sys_kernel(5): `pid_max`, `threads-max`.
 */
export function defaultProcesses(read = (name: string) => readFileSync(`/proc/sys/kernel/${name}`, "utf8")): number {
  const most = Math.min(Number(read("pid_max")), Number(read("threads-max")));
  return Math.min(MOST_PROCESSES, Math.floor(most * SHARE_OF_PROCESSES));
}

/**
 * The limits as settings of cgroups, without those whose controller is missing: {@link refusedLimits} has named them.
 */
export function limitEntries(limits: Limits, cgroups: Controllers): readonly ConfigEntry[] {
  return limitFiles(limits, cgroups).map(
    ({ version, file, value }): ConfigEntry => [`lxc.${version === 1 ? "cgroup" : "cgroup2"}.${file}`, value],
  );
}

/** The files of these limits, in the order in which a new cgroup takes them. Pure. */
export function limitFiles(limits: Limits, cgroups: Controllers): readonly LimitFile[] {
  const files: LimitFile[] = [];
  const memory = cgroups.controller("memory");
  if (limits.memory !== undefined && memory !== undefined) files.push(...memoryFiles(limits.memory, memory.version));
  if (limits.cpu !== undefined) files.push(...cpuFiles(limits.cpu, cgroups));
  const pids = cgroups.controller("pids");
  if (limits.processes !== undefined && pids !== undefined) {
    const of = { controller: "pids", version: pids.version, file: "pids.max" } as const;
    files.push({ ...of, value: limits.processes, none: "max" });
  }
  return files;
}

function memoryFiles({ limit, swap, soft }: NonNullable<Limits["memory"]>, version: 1 | 2): readonly LimitFile[] {
  const of = { controller: "memory", version } as const;
  const file: LimitFile =
    version === 2
      ? { ...of, file: "memory.max", value: limit, none: "max" }
      : { ...of, file: "memory.limit_in_bytes", value: limit, none: -1 };
  const files = [file];
  if (swap !== undefined)
    files.push(
      version === 2
        ? { ...of, file: "memory.swap.max", value: swap, none: "max" }
        : // Memory and swap together (cgroup-v1/memory.rst, 2.4), and only above the limit of memory.
          { ...of, file: "memory.memsw.limit_in_bytes", value: limit + swap, none: -1 },
    );
  if (soft !== undefined)
    files.push(
      version === 2
        ? { ...of, file: "memory.low", value: soft, none: 0 }
        : { ...of, file: "memory.soft_limit_in_bytes", value: soft, none: -1 },
    );
  return files;
}

/**
 * Whether the kernel counts swap space by cgroup. Version 1 has the file only then. The root of version 2 has no such
 * file, but a kernel with version 2 counts any swap space.
 */
export function countsSwap(memory: ControllerMount | undefined): boolean {
  if (memory === undefined) return false;
  return existsSync(memory.version === 1 ? join(memory.path, "memory.memsw.limit_in_bytes") : "/proc/swaps");
}

/** The limits that cannot be set on this host, with the reason. `swap`: whether the kernel counts swap space. */
export function refusedLimits(
  limits: Limits,
  cgroups: Controllers,
  swap = countsSwap(cgroups.controller("memory")),
): readonly ConfigIssue[] {
  const issues: ConfigIssue[] = [];
  for (const [key, controller] of Object.entries(CONTROLLERS)) {
    if (limits[key as keyof typeof CONTROLLERS] !== undefined && cgroups.controller(controller) === undefined) {
      issues.push({ path: ["limits", key], message: `this host has no cgroup controller "${controller}"` });
    }
  }
  if (limits.cpu !== undefined) issues.push(...refusedCpu(limits.cpu, cgroups));
  if (limits.memory !== undefined && limits.memory.limit < MIN_MEMORY) {
    issues.push({ path: ["limits", "memory"], message: "no container can start with less than 1 MiB" });
  }
  if (limits.memory?.swap !== undefined && !swap && cgroups.controller("memory") !== undefined) {
    const message = "the kernel of this host does not count swap space (its parameter swapaccount=1 lets it)";
    issues.push({ path: ["limits", "memory", "swap"], message });
  }
  return issues;
}
