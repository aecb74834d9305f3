import type { ConfigIssue, Limits } from "@pileus/core";
import type { CgroupLayout } from "@pileus/core/driver";
import type { ConfigEntry } from "./config/render.ts";

type Controllers = Pick<CgroupLayout, "controller">;

const CONTROLLERS = { cpu: "cpu", memory: "memory", processes: "pids" } as const satisfies Record<keyof Limits, string>;

/** Microseconds: the kernel's own default (sched-bwc.rst); a quota must be 1 ms at least. */
const PERIOD = 100_000;
const LEAST_CPU = 0.01;

/** Bytes. With less, not even BusyBox can be entered; with 128 KiB a start stands still for ever, instead of failing (Linux 6.18). */
const LEAST_MEMORY = 2 ** 20;

/** The limits as cgroups have them. Those whose controller is missing are left out: {@link refusedLimits} has named them. */
export function limitEntries(limits: Limits, cgroups: Controllers): readonly ConfigEntry[] {
  const entries: ConfigEntry[] = [];
  const memory = cgroups.controller("memory");
  if (limits.memory !== undefined && memory?.version === 1) {
    entries.push(["lxc.cgroup.memory.limit_in_bytes", limits.memory]);
  } else if (limits.memory !== undefined && memory?.version === 2) {
    entries.push(["lxc.cgroup2.memory.max", limits.memory]);
  }
  const cpu = cgroups.controller("cpu");
  if (limits.cpu !== undefined && cpu !== undefined) {
    const quota = Math.round(limits.cpu * PERIOD);
    if (cpu.version === 1) {
      entries.push(["lxc.cgroup.cpu.cfs_period_us", PERIOD], ["lxc.cgroup.cpu.cfs_quota_us", quota]);
    } else entries.push(["lxc.cgroup2.cpu.max", `${quota} ${PERIOD}`]);
  }
  const pids = cgroups.controller("pids");
  if (limits.processes !== undefined && pids !== undefined) {
    entries.push([pids.version === 1 ? "lxc.cgroup.pids.max" : "lxc.cgroup2.pids.max", limits.processes]);
  }
  return entries;
}

/** The limits that cannot be set on this host, with the reason. */
export function refusedLimits(limits: Limits, cgroups: Controllers): readonly ConfigIssue[] {
  const issues: ConfigIssue[] = [];
  for (const [key, controller] of Object.entries(CONTROLLERS)) {
    if (limits[key as keyof Limits] !== undefined && cgroups.controller(controller) === undefined) {
      issues.push({ path: ["limits", key], message: `this host has no cgroup controller "${controller}"` });
    }
  }
  if (limits.cpu !== undefined && limits.cpu < LEAST_CPU) {
    issues.push({ path: ["limits", "cpu"], message: `the least share that the kernel can keep to is ${LEAST_CPU}` });
  }
  if (limits.memory !== undefined && limits.memory < LEAST_MEMORY) {
    issues.push({ path: ["limits", "memory"], message: "no container can start in less than 1 MiB" });
  }
  return issues;
}
