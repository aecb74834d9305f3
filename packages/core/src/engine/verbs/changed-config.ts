import { z } from "zod";
import { CommonConfigSchema, type InstanceConfig } from "../../model/config.ts";
import { CONFIG_HABITS } from "../../model/habits.ts";
import { loosened } from "../../model/loosened.ts";
import { parse } from "../../model/parse.ts";
import { objectAs } from "../../model/wording.ts";
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

// Those with keys of the caller's own: `null` removes one, and no schema of a value takes it.
const RECORDS: readonly string[] = ["env", "labels"];

type Keys = Readonly<Record<string, unknown>>;

/**
 * A configuration with a change made to it; the change is checked, the rest is kept as it is. Pure.
 *
 * @throws {ConfigError} with every issue of the change.
 */
export function changedConfig({ driver }: OpenDriver, before: InstanceConfig, change: unknown): InstanceConfig {
  const { limits, env, log, labels } = CommonConfigSchema.shape;
  const schema = z.strictObject({ limits, env, log, labels, [driver.name]: driver.section });
  const asked = parse(z.looseObject({}, objectAs('{ limits: { memory: "1GiB" } }')), change, CHANGE);
  const given = Object.entries(asked).map(([key, keys]) => [key, withoutNull(key, keys)] as const);
  const checked = parse(schema, Object.fromEntries(given), CHANGE, HINTS) as Keys;
  const changed = Object.entries(asked)
    .filter(([, keys]) => keys !== undefined)
    .map(([key, keys]) => [key, merged(before[key] as Keys | undefined, keys as Keys, checked[key] as Keys)] as const);
  const after: InstanceConfig = { ...before, ...Object.fromEntries(changed) };
  // Two keys of a section may not go together. It may have keys of a later release.
  if (asked[driver.name] !== undefined)
    parse(z.looseObject({ [driver.name]: loosened(driver.section) }), { [driver.name]: after[driver.name] }, CHANGE);
  assertPassable(after, CHANGE);
  return after;
}

/** Of records, a key whose name no schema of a key takes stays for it to refuse. */
function withoutNull(key: string, keys: unknown): unknown {
  if (typeof keys !== "object" || keys === null || Array.isArray(keys)) return keys;
  const entries = Object.entries(keys).map(([inner, value]) => [inner, value ?? undefined] as const);
  const isDropped = ([inner, value]: (typeof entries)[number]) =>
    RECORDS.includes(key) && value === undefined && inner !== "__proto__";
  return Object.fromEntries(entries.filter((entry) => !isDropped(entry)));
}

/** The keys of before in their order, then new ones; `undefined` if nothing is left of what may be left out. */
function merged(before: Keys | undefined, asked: Keys, checked: Keys): Keys | undefined {
  const names = Object.keys(asked).filter((name) => asked[name] !== undefined);
  const newValue = (name: string) => (Object.hasOwn(checked, name) ? checked[name] : undefined);
  const kept = Object.entries(before ?? {}).map(
    ([name, value]) => [name, names.includes(name) ? newValue(name) : value] as const,
  );
  const added = names
    .filter((name) => !Object.hasOwn(before ?? {}, name))
    .map((name) => [name, newValue(name)] as const);
  const all = [...kept, ...added].filter(([, value]) => value !== undefined);
  return all.length === 0 && before === undefined ? undefined : Object.fromEntries(all);
}
