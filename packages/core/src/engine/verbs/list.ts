import { readdir } from "node:fs/promises";
import type { Abortable } from "../../contract/abortable.ts";
import type { InstanceInfo } from "../../contract/instance.ts";
import { NameSchema } from "../../model/name.ts";
import type { Engine } from "../engine.ts";
import { instanceInfo } from "../info.ts";
import type { Layout } from "../layout.ts";
import { type InstanceRecord, newerThanThis } from "../record.ts";
import type { Records } from "../records.ts";

/** All instances by name, as their records tell: nothing is asked of any driver. */
export async function list(engine: Engine, options: Abortable = {}): Promise<readonly InstanceInfo[]> {
  const records = await allRecords(engine.layout, engine.records, options);
  for (const known of engine.instances.values()) known.noticeDeletion();
  return records
    .filter((record) => record.phase === "ready")
    .map((record) => {
      const known = engine.instances.get(record.config.name);
      return known?.uuid === record.uuid
        ? instanceInfo(known.shown(record), known.run)
        : instanceInfo(record, undefined);
    });
}

/** Every record that can be read, by name; those of instances half made and half deleted too. */
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

/** The names for which there is a folder, sorted. */
export async function instanceNames(layout: Layout): Promise<readonly string[]> {
  const names = await readdir(layout.instances);
  return names.filter((name) => NameSchema.safeParse(name).success).sort();
}
