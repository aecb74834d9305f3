import type { ConfigIssue, InstanceConfig } from "@pileus/core";
import { type CgroupLayout, readCgroupLayout } from "@pileus/core/driver";
import { refusedVariables } from "./environment.ts";
import { refusedLimits } from "./limits.ts";

/** The settings of a configuration that no container can have on this host, with the reason: for `Backend.plan()`. */
export function refusals(
  { limits, env }: Pick<InstanceConfig, "limits" | "env">,
  cgroups: Pick<CgroupLayout, "controller"> = readCgroupLayout(),
): readonly ConfigIssue[] {
  return [...refusedLimits(limits, cgroups), ...refusedVariables(env)];
}
