import { readdir } from "node:fs/promises";
import type { Abortable } from "../../contract/abortable.ts";
import { NotFoundError } from "../../contract/errors.ts";
import type { InstanceInfo } from "../../contract/instance.ts";
import { NameSchema } from "../../model/name.ts";
import type { Engine } from "../engine.ts";
import { instanceInfo } from "../info.ts";
import type { Layout } from "../layout.ts";
import { ManagedInstance } from "../managed-instance.ts";
import type { InstanceRecord } from "../record.ts";
import type { Records } from "../records.ts";

/** All instances by name, as their records tell: nothing is asked of any driver. */
export async function list(engine: Engine, options: Abortable = {}): Promise<readonly InstanceInfo[]> {
  const records = await allRecords(engine.layout, engine.records, options);
  return records
    .filter((record) => record.phase === "ready")
    .map((record) => instanceInfo(record, engine.instances.get(record.config.name)?.run));
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
    return reading.kind === "record" ? reading.record : [];
  });
}

/** The names for which there is a folder, sorted. */
export async function instanceNames(layout: Layout): Promise<readonly string[]> {
  const names = await readdir(layout.instances);
  return names.filter((name) => NameSchema.safeParse(name).success).sort();
}

/** The instance by name. @throws {NotFoundError} */
export async function find(engine: Engine, name: string, options: Abortable = {}): Promise<ManagedInstance> {
  options.signal?.throwIfAborted();
  // What is no name is no path either.
  const legal = NameSchema.safeParse(name).success;
  const reading = legal ? engine.records.read(name) : undefined;
  if (reading?.kind !== "record" || reading.record.phase !== "ready") throw new NotFoundError("instance", name);
  const known = engine.instances.get(name);
  if (known?.uuid === reading.record.uuid) return known;
  const instance = new ManagedInstance(engine, reading.record);
  engine.instances.set(name, instance);
  return instance;
}
