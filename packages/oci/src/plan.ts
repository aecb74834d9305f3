import type { ConfigIssue, InstanceConfig } from "@pileus/core";
import { type Plan, renderPlan } from "@pileus/core/driver";
import { CONTAINER_DEVICES } from "@pileus/lxc/runtime";

// `privileged` is not part of this: it determines whether files of the image can be devices.
const EFFECTS = {
  labels: "live",
  env: "next-start",
  log: "next-start",
  "limits.cpu": "live",
  "limits.memory": "live",
  "limits.processes": "live",
  "oci.entrypoint": "next-start",
  "oci.cmd": "next-start",
  "oci.workdir": "next-start",
  "oci.user": "next-start",
  "oci.stopSignal": "next-start",
  "oci.init": "next-start",
  "oci.keepAlive": "next-start",
  "oci.capabilities": "next-start",
  "oci.noNewPrivileges": "next-start",
  "oci.seccomp": "next-start",
  "oci.systemPaths": "next-start",
} as const;

/** See `Backend.plan()`. `refused`: the settings that no container can have. */
export function plan(before: InstanceConfig | undefined, after: InstanceConfig, refused: readonly ConfigIssue[]): Plan {
  return renderPlan(before, after, { section: "oci", effects: EFFECTS, devices: CONTAINER_DEVICES, refused });
}
