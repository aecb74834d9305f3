import type { ConfigIssue, InstanceConfig } from "@pileus/core";
import { type Plan, renderPlan } from "@pileus/core/driver";
import { CONTAINER_DEVICES } from "./device-effects.ts";

const EFFECTS = {
  labels: "live",
  env: "next-start",
  log: "next-start",
  "limits.cpu": "live",
  "limits.memory": "live",
  "limits.processes": "live",
  "lxc.init": "next-start",
  "lxc.haltSignal": "next-start",
  "lxc.capabilities": "next-start",
  "lxc.noNewPrivileges": "next-start",
  "lxc.seccomp": "next-start",
} as const;

/** See `Backend.plan()`. `refused`: the settings that no container can have. */
export function plan(before: InstanceConfig | undefined, after: InstanceConfig, refused: readonly ConfigIssue[]): Plan {
  return renderPlan(before, after, { section: "lxc", effects: EFFECTS, devices: CONTAINER_DEVICES, refused });
}
