import type { ConfigIssue, InstanceConfig } from "@pileus/core";
import { type Plan, renderPlan } from "@pileus/core/driver";

const MIB = 2 ** 20;
/** Below it the guest's kernel, its init and the agent do not fit together: 128 MiB leave them 60 MiB. */
export const MIN_MEMORY = 128 * MIB;

const EFFECTS = {
  labels: "live",
  env: "live",
  devices: "next-start",
  "limits.cpu": "next-start",
  "limits.memory": "next-start",
  "qemu.machine": "next-start",
  "qemu.cpuModel": "next-start",
} as const;

/** See `Backend.plan()`. */
export function plan(before: InstanceConfig | undefined, after: InstanceConfig): Plan {
  return renderPlan(before, after, { section: "qemu", effects: EFFECTS, refused: refusals(after) });
}

/** What can never work. */
function refusals({ limits: { cpu, memory, processes } }: InstanceConfig): readonly ConfigIssue[] {
  const refused: ConfigIssue[] = [];
  if (cpu !== undefined && !Number.isInteger(cpu)) {
    refused.push({
      path: ["limits", "cpu"],
      message: `a virtual machine has whole processors: write ${Math.ceil(cpu)}`,
    });
  }
  if (memory !== undefined && memory < MIN_MEMORY) {
    refused.push({ path: ["limits", "memory"], message: `a virtual machine needs at least ${MIN_MEMORY / MIB}MiB` });
  }
  if (processes !== undefined) {
    const message = "the kernel of a virtual machine counts its own processes";
    refused.push({ path: ["limits", "processes"], message });
  }
  return refused;
}
