import type { Device, InstanceConfig } from "@pileus/core";
import { type DeviceEffect, type Plan, type PlanRules, renderPlan } from "@pileus/core/driver";

/** A tmpfs that is made anew is empty, and so it is at each start anyway. */
const effectOnDisk: DeviceEffect = (before, after) => (isMemory(before) && isMemory(after) ? "next-start" : "live");
const DEVICES = { nic: "fixed", disk: effectOnDisk } as const;

function isMemory(device: Device | undefined): boolean {
  return device?.type === "disk" && device.source === "tmpfs:";
}

const EFFECTS = {
  labels: "live",
  env: "next-start",
  log: "next-start",
  "limits.cpu": "live",
  "limits.memory": "live",
  "limits.processes": "live",
} as const;

/** The keys of every section that confine a container. */
const CONFINING = ["capabilities", "noNewPrivileges", "seccomp"] as const;

/** Implements `Backend.plan()` for containers. `effects`: those of the other keys of the section. Pure. */
export function planContainer(
  before: InstanceConfig | undefined,
  after: InstanceConfig,
  rules: Omit<PlanRules, "devices">,
): Plan {
  const confining = Object.fromEntries(CONFINING.map((key) => [`${rules.section}.${key}`, "next-start" as const]));
  return renderPlan(before, after, {
    ...rules,
    devices: DEVICES,
    effects: { ...EFFECTS, ...confining, ...rules.effects },
  });
}
