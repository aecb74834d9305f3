import type { ConfigIssue, InstanceConfig } from "@pileus/core";
import { type Plan, renderPlan } from "@pileus/core/driver";
import { sectionOf } from "./machine.ts";

const MIB = 2 ** 20;
const GIB = 2 ** 30;
/** The least memory that the guest's kernel, its init and the agent fit into: 128 MiB leave them 60 MiB. */
export const MIN_MEMORY = 128 * MIB;

/**
 * Both machine types say 288 (`query-machines`, QEMU 7.2), and QEMU refuses more than 255 where KVM has no x2APIC; with
 * it, a guest also needs an IOMMU, which our machines do not have (libvirt, formatdomain, "eim", also draws the line at
 * 255).
 */
const MAX_CPUS = 255;

const NO_SHARE = "only containers can be given some of the host's processors, or a share of them: leave it out";

const EFFECTS = {
  labels: "live",
  env: "live",
  log: "next-start",
  "limits.cpu": "next-start",
  "limits.memory": "next-start",
  "qemu.machine": "next-start",
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
export function plan(before: InstanceConfig | undefined, after: InstanceConfig, hostMemory: number): Plan {
  const refused = refusals(after, hostMemory);
  return renderPlan(before, after, { section: "qemu", effects: EFFECTS, devices: DEVICES, refused });
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
  const { machine, slots = 0 } = sectionOf(config);
  if (machine === "microvm" && slots > 0) {
    refused.push({ path: ["qemu", "slots"], message: "a microvm has no PCI to plug devices into: use q35" });
  }
  return refused;
}
