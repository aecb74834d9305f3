import type { ConfigIssue, InstanceConfig } from "@pileus/core";
import type { Plan } from "@pileus/core/driver";
import { planContainer } from "@pileus/lxc/runtime";

// `privileged` is not part of this: it determines whether files of the image can be devices.
const EFFECTS = {
  "oci.entrypoint": "next-start",
  "oci.cmd": "next-start",
  "oci.workdir": "next-start",
  "oci.user": "next-start",
  "oci.stopSignal": "next-start",
  "oci.init": "next-start",
  "oci.keepAlive": "next-start",
  "oci.systemPaths": "next-start",
} as const;

/** See `Backend.plan()`. `refused`: the settings that no container can have. */
export function plan(before: InstanceConfig | undefined, after: InstanceConfig, refused: readonly ConfigIssue[]): Plan {
  return planContainer(before, after, { section: "oci", effects: EFFECTS, refused });
}
