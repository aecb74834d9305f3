import type { ConfigIssue, InstanceConfig } from "@pileus/core";
import type { Plan } from "@pileus/core/driver";

type Change = Plan["changes"][number];

/** What a change of each key means. Keys of `limits` and of the section are written `limits.cpu`. */
const EFFECTS: Readonly<Record<string, Change["effect"]>> = {
  labels: "live",
  env: "next-start",
  devices: "next-start",
  "limits.cpu": "next-start",
  "limits.memory": "next-start",
  "limits.processes": "next-start",
  "oci.entrypoint": "next-start",
  "oci.cmd": "next-start",
  "oci.workdir": "next-start",
  "oci.user": "next-start",
  "oci.stopSignal": "next-start",
};

/** See `Backend.plan()`. `refused` are the limits that this host cannot set. */
export function plan(before: InstanceConfig | undefined, after: InstanceConfig, refused: readonly ConfigIssue[]): Plan {
  const refusals = refused.map(({ path, message }) => unsupported(path.join("."), message));
  if (before === undefined) return { changes: refusals };
  const [old, now] = [flatten(before), flatten(after)];
  const changed = [...new Set([...old.keys(), ...now.keys()])].filter(
    (path) =>
      refusals.every((refusal) => refusal.path !== path) &&
      JSON.stringify(old.get(path)) !== JSON.stringify(now.get(path)),
  );
  return { changes: [...refusals, ...changed.map(effectOf)] };
}

function effectOf(path: string): Change {
  const effect = EFFECTS[path];
  if (effect !== undefined) return { path, effect };
  // The ids of `privileged` are on the disk; name, driver and image are what the instance is.
  return unsupported(path, "it is fixed when the instance is created");
}

function unsupported(path: string, reason: string): Change {
  return { path, effect: "unsupported", reason };
}

function flatten(config: InstanceConfig): ReadonlyMap<string, unknown> {
  const entries = Object.entries(config).flatMap(([key, value]) =>
    key === "limits" || key === "oci"
      ? Object.entries(value as object).map(([inner, of]) => [`${key}.${inner}`, of] as const)
      : [[key, value] as const],
  );
  return new Map(entries);
}
