import type { ConfigIssue, InstanceConfig } from "@pileus/core";
import type { Plan } from "@pileus/core/driver";
import { planContainer } from "./plan-container.ts";

const EFFECTS = {
  "lxc.init": "next-start",
  "lxc.haltSignal": "next-start",
} as const;

/** See `Backend.plan()`. `refused`: the settings that no container can have. */
export function plan(before: InstanceConfig | undefined, after: InstanceConfig, refused: readonly ConfigIssue[]): Plan {
  return planContainer(before, after, { section: "lxc", effects: EFFECTS, refused });
}
