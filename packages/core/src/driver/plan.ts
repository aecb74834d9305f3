import type { ConfigIssue } from "../contract/errors.ts";
import type { InstanceConfig } from "../model/config.ts";
import type { Plan } from "./backend.ts";

type Change = Plan["changes"][number];

/**
 * What a driver says of its keys, for {@link renderPlan}. Keys of `limits` and of its section are written `limits.cpu`.
 */
export interface PlanRules {
  /** The name of the driver's section. */
  readonly section: string;
  /** What a change of each key means. A key that is not here is fixed when the instance is created. */
  readonly effects: Readonly<Record<string, "live" | "next-start">>;
  /** What can never work, whatever was there before: a limit that this host or this kind of instance cannot keep. */
  readonly refused: readonly ConfigIssue[];
}

/** A `Backend.plan()` by a table: each key that differs, with its effect. Pure. */
export function renderPlan(before: InstanceConfig | undefined, after: InstanceConfig, rules: PlanRules): Plan {
  const refusals = rules.refused.map(({ path, message }) => unsupported(path.join("."), message));
  if (before === undefined) return { changes: refusals };
  const [old, now] = [flatten(before, rules.section), flatten(after, rules.section)];
  const changed = [...new Set([...old.keys(), ...now.keys()])].filter(
    (path) =>
      refusals.every((refusal) => refusal.path !== path) &&
      JSON.stringify(old.get(path)) !== JSON.stringify(now.get(path)),
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
