import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import type { Plan } from "../../contract/backend.ts";
import { ConfigError } from "../../errors/all.ts";
import { CommonConfigSchema, type InstanceConfig } from "../../model/config.ts";
import { clashes } from "../../model/device/device.ts";
import { CONFIG_HABITS } from "../../model/habits.ts";
import { loosened } from "../../model/loosened.ts";
import { parse } from "../../model/parse.ts";
import { assertPlain, isPlain } from "../../model/plain.ts";
import { RECORDS } from "../../model/plan-path.ts";
import { given } from "../../model/wording.ts";
import type { OpenDriver } from "../instance/shared.ts";
import { assertPassable } from "./instance-config.ts";

/** The subject of errors about a change. */
export const CHANGE = "change of the configuration";

const FIXED = "it is fixed when the instance is created";
/** Why no change has these keys. */
const FIXED_KEYS = {
  name: "rename() changes the name",
  driver: FIXED,
  image: FIXED,
} as const;

/** Those of which `null` removes one. */
const REMOVABLE: readonly string[] = [...RECORDS, "devices"];

type Keys = Readonly<Record<string, unknown>>;

/** A change that its caller can no longer alter. */
export interface CheckedChange {
  /** Of each key of the configuration, the keys below and their new values; `undefined` takes a key back. */
  readonly keys: ReadonlyMap<string, ReadonlyMap<string, unknown>>;
  /** What was asked of keys that are fixed. */
  readonly fixed: ReadonlyMap<keyof typeof FIXED_KEYS, unknown>;
}

/** Checks a change. Pure. @throws {ConfigError} with every issue. */
export function checkedChange({ driver }: OpenDriver, change: unknown): CheckedChange {
  const { name, driver: driverName, image, limits, devices, env, log, labels } = CommonConfigSchema.shape;
  const fixed = { name: name.optional(), driver: driverName.optional(), image: image.optional() };
  const schema = z.strictObject({ ...fixed, limits, devices, env, log, labels, [driver.name]: driver.section });
  assertPlain(change, CHANGE);
  if (!isPlain(change))
    throw new ConfigError(CHANGE, [{ path: [], message: `must be an object, ${given(change)}${AS}` }]);
  const asked = Object.entries(change).filter(([, value]) => value !== undefined);
  const values = Object.fromEntries(asked.map(([key, value]) => [key, isFixed(key) ? value : withoutNull(key, value)]));
  const checked = parse(schema, values, CHANGE, CONFIG_HABITS) as Keys;
  return {
    fixed: new Map(asked.flatMap(([key]) => (isFixed(key) ? [[key, checked[key]] as const] : []))),
    keys: new Map(
      asked.flatMap(([key, keys]) => {
        if (isFixed(key)) return [];
        const names = Object.entries(keys as Keys).flatMap(([inner, to]) => (to === undefined ? [] : [inner]));
        const now = (checked[key] ?? {}) as Keys;
        return [[key, new Map(names.map((inner) => [inner, Object.hasOwn(now, inner) ? now[inner] : undefined]))]];
      }),
    ),
  };
}

const AS = ': write { limits: { memory: "1GiB" } }';

function isFixed(key: string): key is keyof typeof FIXED_KEYS {
  return Object.hasOwn(FIXED_KEYS, key);
}

/** The keys that a change would give another value, though they are fixed. Pure. */
export function fixedChanges(config: InstanceConfig, { fixed }: CheckedChange): Plan["changes"] {
  const differing = [...fixed].filter(([key, value]) => !isDeepStrictEqual(config[key], value));
  return differing.map(([path]) => ({ path, effect: "unsupported", reason: FIXED_KEYS[path] }));
}

/**
 * A configuration with a change made to it: the rest is kept as it is. Pure.
 *
 * @throws {ConfigError} for keys that do not go together.
 */
export function changedConfig({ driver }: OpenDriver, before: InstanceConfig, { keys }: CheckedChange): InstanceConfig {
  const changed = [...keys].map(([key, values]) => [key, merged(key, before[key] as Keys | undefined, values)]);
  const after: InstanceConfig = { ...before, ...Object.fromEntries(changed) };
  // Two keys of a section may not go together. It may have keys of a later release.
  if (keys.has(driver.name))
    parse(z.looseObject({ [driver.name]: loosened(driver.section) }), { [driver.name]: after[driver.name] }, CHANGE);
  const issues = keys.has("devices") ? clashes(after.devices) : [];
  if (issues.length > 0)
    throw new ConfigError(
      CHANGE,
      issues.map(({ path, message }) => ({ path: ["devices", ...path], message })),
    );
  assertPassable(after, CHANGE);
  return after;
}

/**
 * Of records, `null` removes a key, and no schema of a value takes it. A key whose name no schema of a key takes stays for
 * it to refuse.
 */
function withoutNull(key: string, keys: unknown): unknown {
  if (!isPlain(keys)) return keys;
  const entries = Object.entries(keys).map(([inner, value]) => [inner, value ?? undefined] as const);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined || !REMOVABLE.includes(key)));
}

/** The keys of before in their order, then new ones; `undefined` if nothing is left of what may be left out. */
function merged(key: string, before: Keys | undefined, change: ReadonlyMap<string, unknown>): Keys | undefined {
  const all = [...new Map([...Object.entries(before ?? {}), ...change])].filter(([, value]) => value !== undefined);
  const mayBeLeftOut = key === "log" || before === undefined;
  return all.length === 0 && mayBeLeftOut ? undefined : Object.fromEntries(all);
}
