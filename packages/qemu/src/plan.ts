import type { ConfigIssue, InstanceConfig } from "@pileus/core";
import { type Plan, type PlannedRun, type PlanRules, renderPlan } from "@pileus/core/driver";
import { MAX_CPUS } from "./argv/cpu.ts";
import { roomOf } from "./room.ts";
import { sectionOf } from "./section.ts";
import { cpusOf, memoryOf } from "./size.ts";

const MIB = 2 ** 20;
const GIB = 2 ** 30;
/** The least memory that the guest's kernel, its init and the agent fit into: 128 MiB leave them 60 MiB. */
export const MIN_MEMORY = 128 * MIB;

const NO_SHARE = "only containers can be given some of the host's processors, or a share of them: leave it out";

const EFFECTS = {
  labels: "live",
  env: "live",
  log: "next-start",
  "qemu.machine": "next-start",
  "qemu.maxMemory": "next-start",
  "qemu.maxCpus": "next-start",
  "qemu.slots": "next-start",
  "qemu.kernel": "next-start",
  "qemu.cpuModel": "next-start",
  "qemu.user": "next-start",
} as const;

const DEVICES = {
  nic: "fixed",
  disk: { refused: "a virtual machine cannot share a folder of the host yet: copy with files.push() and files.pull()" },
} as const;

/** See `Backend.plan()`. `hostMemory`: the host's memory and swap space, in bytes. */
export function plan(
  before: InstanceConfig | undefined,
  after: InstanceConfig,
  hostMemory: number,
  run?: PlannedRun,
): Plan {
  const effects = { ...EFFECTS, "limits.memory": ofMemory(after, run), "limits.cpu": ofCpus(after, run) };
  const refused = refusals(after, hostMemory);
  return renderPlan(before, after, { section: "qemu", effects, devices: DEVICES, refused });
}

type Effect = PlanRules["effects"][string];

const NO_ROOM = "this run cannot get more while it runs: a q35 can that this release starts with our agent";

function ofMemory(after: InstanceConfig, run: PlannedRun | undefined): Effect {
  if (run === undefined) return "next-start";
  const room = roomOf(run.remembered)?.memory;
  const size = memoryOf(after);
  if (room === undefined) return { waits: NO_ROOM };
  if (size > room.max)
    return { waits: `this run can have at most ${mebibytes(room.max)}: qemu.maxMemory sets that for the next start` };
  if (size < room.base) return { waits: `this run keeps the ${mebibytes(room.base)} that it was started with` };
  return "live";
}

function ofCpus(after: InstanceConfig, run: PlannedRun | undefined): Effect {
  if (run === undefined) return "next-start";
  const room = roomOf(run.remembered)?.cpus;
  const [count, now] = [cpusOf(after), cpusOf(run.config)];
  if (room === undefined) return { waits: NO_ROOM };
  if (count > room.max)
    return { waits: `this run can have at most ${room.max} processors: qemu.maxCpus sets that for the next start` };
  return count < now ? { waits: "QEMU cannot safely take a processor from a machine that runs" } : "live";
}

function mebibytes(bytes: number): string {
  return `${bytes / MIB}MiB`;
}

/** The settings that can never work on this host. */
function refusals({ limits, ...config }: InstanceConfig, hostMemory: number): readonly ConfigIssue[] {
  const { memory, processes } = limits;
  const { limit: cpu, ...share } = limits.cpu ?? {};
  const refused: ConfigIssue[] = [];
  if (cpu !== undefined && cpu <= MAX_CPUS && !Number.isInteger(cpu)) {
    refused.push({
      path: ["limits", "cpu"],
      message: `a virtual machine has whole processors: write ${Math.ceil(cpu)}`,
    });
  }
  if (cpu !== undefined && cpu > MAX_CPUS) {
    refused.push({ path: ["limits", "cpu"], message: `a virtual machine has at most ${MAX_CPUS} processors` });
  }
  for (const key of ["set", "priority"] as const)
    if (share[key] !== undefined) refused.push({ path: ["limits", "cpu", key], message: NO_SHARE });
  if (memory !== undefined && memory.limit < MIN_MEMORY) {
    refused.push({ path: ["limits", "memory"], message: `a virtual machine needs at least ${MIN_MEMORY / MIB}MiB` });
  }
  // Linux refuses more as an "obvious overcommit" (proc_sys_vm(5), overcommit_memory). Where it is set not to refuse,
  // nothing backs the memory.
  if (memory !== undefined && memory.limit > hostMemory) {
    const have = `${(hostMemory / GIB).toFixed(1)}GiB`;
    refused.push({ path: ["limits", "memory"], message: `this host has ${have}, including its swap space` });
  }
  if (memory?.swap !== undefined) {
    const message = "the kernel of a virtual machine manages its own swap space";
    refused.push({ path: ["limits", "memory", "swap"], message });
  }
  if (memory?.soft !== undefined) {
    const message = "a virtual machine has all of its memory: leave it out";
    refused.push({ path: ["limits", "memory", "soft"], message });
  }
  if (processes !== undefined) {
    const message = "the kernel of a virtual machine counts its own processes";
    refused.push({ path: ["limits", "processes"], message });
  }
  const { machine, slots = 0, ...most } = sectionOf(config);
  if (machine === "microvm" && slots > 0) {
    refused.push({ path: ["qemu", "slots"], message: "a microvm has no PCI to plug devices into: use q35" });
  }
  for (const key of ["maxMemory", "maxCpus"] as const)
    if (machine === "microvm" && most[key] !== undefined)
      refused.push({ path: ["qemu", key], message: "a microvm cannot grow while it runs: use q35" });
  return refused;
}
