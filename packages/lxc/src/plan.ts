import type { ConfigIssue, InstanceConfig } from "@pileus/core";
import type { Plan } from "@pileus/core/driver";

type Change = Plan["changes"][number];

/** What a change of each key means where it can be had. Keys of sections are written `section.key`. */
const EFFECTS: Readonly<Record<string, Change["effect"]>> = {
  labels: "live",
  env: "next-start",
  devices: "next-start",
  "limits.cpu": "next-start",
  "limits.memory": "next-start",
  "limits.processes": "next-start",
  "lxc.init": "next-start",
  "lxc.haltSignal": "next-start",
};

/** See `Backend.plan()`. `refused` are the limits that this host cannot keep. */
export function plan(before: InstanceConfig | undefined, after: InstanceConfig, refused: readonly ConfigIssue[]): Plan {
  const refusals = refused.map(({ path, message }) => unsupported(path.join("."), message));
  const [old, now] = [flatten(before), flatten(after)];
  const paths = before === undefined ? [] : [...new Set([...old.keys(), ...now.keys()])];
  const changed = paths.filter((path) => JSON.stringify(old.get(path)) !== JSON.stringify(now.get(path)));
  const others = changed.filter((path) => !refusals.some((refusal) => refusal.path === path));
  return { changes: [...refusals, ...others.map(effectOf)] };
}

function effectOf(path: string): Change {
  const effect = EFFECTS[path];
  return effect === undefined ? unsupported(path, "it is fixed when the instance is created") : { path, effect };
}

function unsupported(path: string, reason: string): Change {
  return { path, effect: "unsupported", reason };
}

function flatten(config: InstanceConfig | undefined): ReadonlyMap<string, unknown> {
  const flat = new Map<string, unknown>();
  for (const [key, value] of Object.entries(config ?? {})) {
    if (key !== "limits" && key !== "lxc") flat.set(key, value);
    else for (const [inner, of] of Object.entries(value as object)) flat.set(`${key}.${inner}`, of);
  }
  return flat;
}
