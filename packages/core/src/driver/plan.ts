import { isDeepStrictEqual } from "node:util";
import type { Plan } from "../contract/backend.ts";
import type { ConfigIssue } from "../errors/all.ts";
import type { InstanceConfig } from "../model/config.ts";
import type { Device, Devices } from "../model/device/device.ts";

type Change = Plan["changes"][number];
type Effect = "live" | "next-start" | "fixed";

/** The effect of one change of a device: `before` is absent when it comes, and `after` when it goes. */
export type DeviceEffect = (before: Device | undefined, after: Device | undefined) => Effect;

/** A driver's rules for {@link renderPlan}. Keys of `limits` and of the driver's section are written `limits.cpu`. */
export interface PlanRules {
  /** The name of the driver's section. */
  readonly section: string;
  /**
   * The effect of a change of each key, with a reason for `next-start` if another value would be live. A key that is
   * missing here is fixed when the instance is created.
   */
  readonly effects: Readonly<Record<string, "live" | "next-start" | { readonly waits: string }>>;
  /**
   * The effect of attaching, detaching or changing a device, by its type. One that is missing here is refused, as one for
   * which a reason is given. Default: only nics, and they are fixed when the instance is created.
   */
  readonly devices?: Readonly<Record<string, Effect | DeviceEffect | { readonly refused: string }>> | undefined;
  /** What can never work: a limit that this host or this kind of instance cannot enforce. */
  readonly refused: readonly ConfigIssue[];
}

const FIXED = "it is fixed when the instance is created";
const NICS_ALONE: NonNullable<PlanRules["devices"]> = { nic: "fixed" };

/** Implements `Backend.plan()` from a table of rules: each key that differs, with its effect. Pure. */
export function renderPlan(before: InstanceConfig | undefined, after: InstanceConfig, rules: PlanRules): Plan {
  const refusals = [
    ...rules.refused.map(({ path, message }) => unsupported(path.join("."), message)),
    ...refusedDevices(after, rules.devices ?? NICS_ALONE),
  ];
  if (before === undefined) return { changes: refusals };
  const [old, now] = [flatten(before, rules.section), flatten(after, rules.section)];
  const changed = [...new Set([...old.keys(), ...now.keys()])].filter(
    (path) => refusals.every((refusal) => refusal.path !== path) && !isDeepStrictEqual(old.get(path), now.get(path)),
  );
  const effectOf = (path: string): Change => {
    const effect = rules.effects[path];
    if (effect === undefined) return unsupported(path, FIXED);
    return typeof effect === "string" ? { path, effect } : { path, effect: "next-start", reason: effect.waits };
  };
  const devices = changedDevices(before.devices, after.devices, rules.devices ?? NICS_ALONE);
  return { changes: [...refusals, ...changed.map(effectOf), ...devices] };
}

function unsupported(path: string, reason: string): Change {
  return { path, effect: "unsupported", reason };
}

function refusedDevices({ devices }: InstanceConfig, rules: NonNullable<PlanRules["devices"]>): Change[] {
  return Object.entries(devices).flatMap(([name, { type }]) => {
    const rule = rules[type];
    if (typeof rule === "string" || typeof rule === "function") return [];
    return [unsupported(`devices.${name}`, rule?.refused ?? `the driver has no devices of the type "${type}"`)];
  });
}

/** Each device that comes or goes, and each changed option of the others. */
function changedDevices(before: Devices, after: Devices, rules: NonNullable<PlanRules["devices"]>): Change[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return names.flatMap((name) => {
    const [old, now] = [before[name], after[name]];
    const types = [old?.type, now?.type].filter((type) => type !== undefined);
    const all = types.map((type) => rules[type]).map((rule) => (typeof rule === "function" ? rule(old, now) : rule));
    const effects = all.filter((rule) => typeof rule === "string");
    // What the driver refuses is among the refusals.
    const [effect] = ORDER.filter((one) => effects.includes(one));
    if (effect === undefined || isDeepStrictEqual(old, now)) return [];
    const path = `devices.${name}`;
    const paths = old?.type === now?.type ? changedKeys(old ?? {}, now ?? {}).map((key) => `${path}.${key}`) : [path];
    return paths.map((one) => (effect === "fixed" ? unsupported(one, FIXED) : { path: one, effect }));
  });
}

/** From the one that decides most to the one that decides least, where a device takes the name of one of another type. */
const ORDER = ["fixed", "next-start", "live"] as const;

function changedKeys(before: object, after: object): readonly string[] {
  const [old, now] = [new Map(Object.entries(before)), new Map(Object.entries(after))];
  return [...new Set([...old.keys(), ...now.keys()])].filter((key) => !isDeepStrictEqual(old.get(key), now.get(key)));
}

function flatten({ devices: _, ...config }: InstanceConfig, section: string): ReadonlyMap<string, unknown> {
  const entries = Object.entries(config).flatMap(([key, value]) =>
    key === "limits" || key === section
      ? Object.entries(value ?? {}).map(([inner, of]) => [`${key}.${inner}`, of] as const)
      : [[key, value] as const],
  );
  return new Map(entries);
}
