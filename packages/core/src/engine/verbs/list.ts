import { readdir } from "node:fs/promises";
import type { Abortable } from "../../contract/abortable.ts";
import type { ListOptions } from "../../contract/host.ts";
import type { InstanceInfo } from "../../contract/instance.ts";
import { NameSchema } from "../../model/name.ts";
import { parse } from "../../model/parse.ts";
import { ListOptionsSchema } from "../../model/verb-options.ts";
import type { Engine } from "../engine.ts";
import { instanceInfo } from "../info.ts";
import type { Layout } from "../layout.ts";
import { forEachLimited } from "../limited.ts";
import { type InstanceRecord, newerThanThis } from "../record.ts";
import type { Records } from "../records.ts";
import { find } from "./find.ts";
import { inspect } from "./inspect.ts";

/** How many instances are inspected at the same time. */
const AT_ONCE = 32;

/** The instances that match, by name. */
export async function list(engine: Engine, options: ListOptions = {}): Promise<readonly InstanceInfo[]> {
  const { kind, driver, labels, state } = parse(ListOptionsSchema, options, "options of list");
  const records = await allRecords(engine.layout, engine.records, options);
  for (const known of engine.instances.values()) known.noticeDeletion();
  const matching = records.filter(
    (record) =>
      record.phase === "ready" &&
      (kind === undefined || record.kind === kind) &&
      (driver === undefined || record.config.driver === driver) &&
      hasLabels(record, labels),
  );
  return state === "live"
    ? lookAtEach(engine, matching, options)
    : matching.map((record) => asRecorded(engine, record));
}

/** Whether the instance has all of `labels`. */
export function hasLabels({ config }: InstanceRecord, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(labels).every(([name, value]) => config.labels[name] === value);
}

function asRecorded(engine: Engine, record: InstanceRecord): InstanceInfo {
  const known = engine.instances.get(record.config.name);
  return known?.uuid === record.uuid ? instanceInfo(known.shown(record), known.run) : instanceInfo(record, undefined);
}

async function lookAtEach(
  engine: Engine,
  records: readonly InstanceRecord[],
  options: Abortable,
): Promise<readonly InstanceInfo[]> {
  const found = new Map<InstanceRecord, InstanceInfo>();
  await forEachLimited(records, AT_ONCE, async (record) => {
    const info = await look(engine, record, options);
    if (info !== undefined) found.set(record, info);
  });
  return records.flatMap((record) => found.get(record) ?? []);
}

/** The result of `inspect()`; `undefined` when the instance was deleted meanwhile. */
async function look(engine: Engine, record: InstanceRecord, options: Abortable): Promise<InstanceInfo | undefined> {
  const { name, driver } = record.config;
  if (!engine.drivers.has(driver)) return asRecorded(engine, record);
  try {
    const instance = await find(engine, name, options);
    return instance.uuid === record.uuid ? await inspect(instance, options) : undefined;
  } catch (error) {
    options.signal?.throwIfAborted();
    const reading = engine.records.read(name);
    if (reading.kind !== "newer" && (reading.kind !== "record" || reading.record.uuid !== record.uuid))
      return undefined;
    const reason = error instanceof Error ? error.message : String(error);
    return instanceInfo({ ...record, state: "error", error: reason }, undefined);
  }
}

/** Every record that can be read, by name, including those of half-created and half-deleted instances. */
export async function allRecords(
  layout: Layout,
  records: Records,
  options: Abortable = {},
): Promise<readonly InstanceRecord[]> {
  const names = await instanceNames(layout);
  options.signal?.throwIfAborted();
  return names.flatMap((name) => {
    const reading = records.read(name);
    if (reading.kind === "record") return reading.record;
    if (reading.kind !== "newer" || reading.record === undefined) return [];
    return { ...reading.record, state: "error" as const, error: newerThanThis(reading.version) };
  });
}

/** The names that have a folder, sorted. */
export async function instanceNames(layout: Layout): Promise<readonly string[]> {
  const names = await readdir(layout.instances);
  return names.filter((name) => NameSchema.safeParse(name).success).sort();
}
