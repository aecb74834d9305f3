import { isDeepStrictEqual } from "node:util";
import type { Plan } from "../contract/backend.ts";
import type { ConfigIssue } from "../errors/all.ts";
import type { InstanceConfig } from "../model/config.ts";

type Change = Plan["changes"][number];

/** A driver's rules for {@link renderPlan}. Keys of `limits` and of the driver's section are written `limits.cpu`. */
export interface PlanRules {
  /** The name of the driver's section. */
  readonly section: string;
  /** The effect of a change of each key. A key that is missing here is fixed when the instance is created. */
  readonly effects: Readonly<Record<string, "live" | "next-start">>;
  /** What can never work: a limit that this host or this kind of instance cannot enforce. */
  readonly refused: readonly ConfigIssue[];
}

/** Implements `Backend.plan()` from a table of rules: each key that differs, with its effect. Pure. */
export function renderPlan(before: InstanceConfig | undefined, after: InstanceConfig, rules: PlanRules): Plan {
  const refusals = rules.refused.map(({ path, message }) => unsupported(path.join("."), message));
  if (before === undefined) return { changes: refusals };
  const [old, now] = [flatten(before, rules.section), flatten(after, rules.section)];
  const changed = [...new Set([...old.keys(), ...now.keys()])].filter(
    (path) => refusals.every((refusal) => refusal.path !== path) && !isDeepStrictEqual(old.get(path), now.get(path)),
  );
  const effectOf = (path: string): Change => {
    const effect = rules.effects[path];
    return effect === undefined ? unsupported(path, "it is fixed when the instance is created") : { path, effect };
  };
  return { changes: [...refusals, ...changed.map(effectOf)] };
}

function unsupported(path: string, reason: string): Change {
  return { path, effect: "unsupported", reason };
}

function flatten(config: InstanceConfig, section: string): ReadonlyMap<string, unknown> {
  const entries = Object.entries(config).flatMap(([key, value]) =>
    key === "limits" || key === section
      ? Object.entries(value ?? {}).map(([inner, of]) => [`${key}.${inner}`, of] as const)
      : [[key, value] as const],
  );
  return new Map(entries);
}
