import { z } from "zod";
import { ConfigError } from "../../errors/all.ts";
import { CommonConfigSchema, type InstanceConfig } from "../../model/config.ts";
import { CONFIG_HABITS } from "../../model/habits.ts";
import { loosened } from "../../model/loosened.ts";
import { parse } from "../../model/parse.ts";
import { RECORDS } from "../../model/plan-path.ts";
import { given } from "../../model/wording.ts";
import type { OpenDriver } from "../instance/shared.ts";
import { assertPassable } from "./instance-config.ts";

/** The subject of errors about a change. */
export const CHANGE = "change of the configuration";

const FIXED = "it is fixed when the instance is created";
const HINTS = {
  ...CONFIG_HABITS,
  name: "rename() changes the name",
  driver: FIXED,
  image: FIXED,
  devices: "devices cannot change yet: create the instance anew",
};

type Keys = Readonly<Record<string, unknown>>;

/** A change that its caller can no longer alter: of each key of the configuration, the keys below and their new values. */
export type CheckedChange = ReadonlyMap<string, ReadonlyMap<string, unknown>>;

/** Checks a change; `undefined` takes a key back. Pure. @throws {ConfigError} with every issue. */
export function checkedChange({ driver }: OpenDriver, change: unknown): CheckedChange {
  const { limits, env, log, labels } = CommonConfigSchema.shape;
  const schema = z.strictObject({ limits, env, log, labels, [driver.name]: driver.section });
  if (!isPlain(change)) throw notPlain([], change);
  const asked = Object.entries(change).filter(([, keys]) => keys !== undefined);
  for (const [key, keys] of asked)
    if (typeof keys === "object" && keys !== null && !isPlain(keys)) throw notPlain([key], keys);
  const values = Object.fromEntries(asked.map(([key, keys]) => [key, withoutNull(key, keys)]));
  const checked = parse(schema, values, CHANGE, HINTS) as Readonly<Record<string, Keys>>;
  return new Map(
    asked.map(([key, keys]) => {
      const names = Object.entries(keys as Keys).flatMap(([name, to]) => (to === undefined ? [] : [name]));
      const values = checked[key] ?? {};
      return [key, new Map(names.map((name) => [name, Object.hasOwn(values, name) ? values[name] : undefined]))];
    }),
  );
}

/**
 * A configuration with a change made to it: the rest is kept as it is. Pure.
 *
 * @throws {ConfigError} for keys that do not go together.
 */
export function changedConfig({ driver }: OpenDriver, before: InstanceConfig, change: CheckedChange): InstanceConfig {
  const changed = [...change].map(([key, values]) => [key, merged(key, before[key] as Keys | undefined, values)]);
  const after: InstanceConfig = { ...before, ...Object.fromEntries(changed) };
  // Two keys of a section may not go together. It may have keys of a later release.
  if (change.has(driver.name))
    parse(z.looseObject({ [driver.name]: loosened(driver.section) }), { [driver.name]: after[driver.name] }, CHANGE);
  assertPassable(after, CHANGE);
  return after;
}

function notPlain(path: readonly string[], value: unknown): ConfigError {
  const what =
    Object(value) === value && !Array.isArray(value) && !(value instanceof Promise)
      ? "must be a plain object"
      : `must be an object, ${given(value)}`;
  return new ConfigError(CHANGE, [{ path, message: `${what}: write { limits: { memory: "1GiB" } }` }]);
}

/** Whether `Object.entries()` tells all of it. */
function isPlain(value: unknown): value is Keys {
  if (typeof value !== "object" || value === null || Object.hasOwn(value, "__proto__")) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/**
 * Of records, `null` removes a key, and no schema of a value takes it. A key whose name no schema of a key takes stays for
 * it to refuse.
 */
function withoutNull(key: string, keys: unknown): unknown {
  if (!isPlain(keys)) return keys;
  const entries = Object.entries(keys).map(([inner, value]) => [inner, value ?? undefined] as const);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined || !RECORDS.includes(key)));
}

/** The keys of before in their order, then new ones; `undefined` if nothing is left of what may be left out. */
function merged(key: string, before: Keys | undefined, change: ReadonlyMap<string, unknown>): Keys | undefined {
  const all = [...new Map([...Object.entries(before ?? {}), ...change])].filter(([, value]) => value !== undefined);
  const mayBeLeftOut = key === "log" || before === undefined;
  return all.length === 0 && mayBeLeftOut ? undefined : Object.fromEntries(all);
}
