import { join } from "node:path";
import type { ConfigIssue, CpuLimit } from "@pileus/core";
import { type CgroupLayout, parseProcessors, readIfThereSync } from "@pileus/core/driver";
import type { LimitFile } from "./limit-file.ts";

type Controllers = Pick<CgroupLayout, "controller">;

/** Microseconds: the kernel's own default (sched-bwc.rst); a quota must be 1 ms at least. */
const PERIOD = 100_000;
const MIN_LIMIT = 0.01;

/** The weight of a cgroup that has none of its own: cgroup-v2.rst, cpu.weight; cgroup-v1, cpu.shares. */
const WEIGHTS = { 1: 1024, 2: 100 } as const;
/** The least that the kernel takes. */
const LEAST = { 1: 2, 2: 1 } as const;
const MOST_PRIORITY = 10;

/** The files of a limit of processors, each for the version of cgroups that its controller has. Pure. */
export function cpuFiles({ limit, set, priority }: CpuLimit, cgroups: Controllers): readonly LimitFile[] {
  const files: LimitFile[] = [];
  const cpu = cgroups.controller("cpu");
  if (cpu !== undefined) {
    const { version } = cpu;
    const of = { controller: "cpu", version } as const;
    if (limit !== undefined) files.push(...quotaFiles(Math.round(limit * PERIOD), version));
    if (priority !== undefined) {
      const value = Math.max(LEAST[version], Math.round((WEIGHTS[version] * priority) / MOST_PRIORITY));
      files.push({ ...of, file: version === 2 ? "cpu.weight" : "cpu.shares", value, none: WEIGHTS[version] });
    }
  }
  const cpuset = cgroups.controller("cpuset");
  if (set !== undefined && cpuset !== undefined)
    files.push({ controller: "cpuset", version: cpuset.version, file: "cpuset.cpus", value: set, none: "" });
  return files;
}

function quotaFiles(quota: number, version: 1 | 2): readonly LimitFile[] {
  const of = { controller: "cpu", version } as const;
  if (version === 2) return [{ ...of, file: "cpu.max", value: `${quota} ${PERIOD}`, none: `max ${PERIOD}` }];
  return [
    { ...of, file: "cpu.cfs_period_us", value: PERIOD, none: PERIOD },
    { ...of, file: "cpu.cfs_quota_us", value: quota, none: -1 },
  ];
}

/** What of a limit of processors cannot be set on this host. `host`: the processors that it has, as a list. */
export function refusedCpu(
  { limit, set, priority }: CpuLimit,
  cgroups: Controllers,
  host = hostProcessors(cgroups),
): readonly ConfigIssue[] {
  const path = ["limits", "cpu"];
  const issues: ConfigIssue[] = [];
  const lacks = (controller: string) =>
    cgroups.controller(controller) === undefined ? `this host has no cgroup controller "${controller}"` : undefined;
  const without = limit === undefined && priority === undefined ? undefined : lacks("cpu");
  if (without !== undefined) issues.push({ path, message: without });
  if (limit !== undefined && limit < MIN_LIMIT)
    issues.push({ path, message: `the smallest share that the kernel can enforce is ${MIN_LIMIT}` });
  const message = set === undefined ? undefined : (lacks("cpuset") ?? missingProcessors(set, host));
  if (message !== undefined) issues.push({ path: [...path, "set"], message });
  return issues;
}

function missingProcessors(set: string, host: string): string | undefined {
  const have = parseProcessors(host);
  const missing = [...(parseProcessors(set) ?? [])].filter((processor) => !have?.has(processor));
  if (missing.length === 0) return undefined;
  const [first] = missing;
  return `this host has no processor ${first}${missing.length > 1 ? ` and ${missing.length - 1} more of them` : ""}: it has ${host}`;
}

/** The processors that a cgroup of ours can get: those of the mount, which may be a container's. */
function hostProcessors(cgroups: Controllers): string {
  const cpuset = cgroups.controller("cpuset");
  const file = cpuset?.version === 1 ? "cpuset.effective_cpus" : "cpuset.cpus.effective";
  const mine = cpuset && readIfThereSync(join(cpuset.path, file));
  return (mine ?? readIfThereSync("/sys/devices/system/cpu/online") ?? "").trim();
}
