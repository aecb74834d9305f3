import type { CgroupLayout } from "@pileus/core/driver";
import type { ContainerSpec } from "../container-spec.ts";
import { limitEntries } from "../limits.ts";
import type { ConfigEntry } from "./render.ts";

/**
 * The device rules of lxc's common.conf: a container may make any device node, and use the nodes that programs expect.
 */
const DEVICES = [
  "c *:* m",
  "b *:* m",
  ...["1:3", "1:5", "1:7", "5:0", "5:1", "5:2", "1:8", "1:9", "136:*"].map((n) => `c ${n} rwm`),
];

export interface CgroupFacts {
  readonly cgroups: Pick<CgroupLayout, "controller">;
  /** The limit of processes of a container that has none of its own. */
  readonly processes: number;
}

/** Limits and allowed devices, each for the version of cgroups that its controller has on this host. */
export function cgroupEntries(spec: ContainerSpec, { cgroups, processes }: CgroupFacts): readonly ConfigEntry[] {
  // Version 2 has no such controller. liblxc implements the same keys by a BPF program.
  const prefix = cgroups.controller("devices") === undefined ? "lxc.cgroup2" : "lxc.cgroup";
  return [
    [`${prefix}.devices.deny`, "a"],
    ...DEVICES.map((device): ConfigEntry => [`${prefix}.devices.allow`, device]),
    ...limitEntries({ ...spec.limits, processes: spec.limits.processes ?? processes }, cgroups),
  ];
}
