import { readdir } from "node:fs/promises";
import { NotFoundError } from "../../errors/all.ts";
import type { Abortable } from "../../flow/abortable.ts";
import { NameSchema } from "../../model/name.ts";
import { nearest } from "../../model/nearest.ts";
import { isHeld } from "../../system/lock.ts";
import { type Engine, know } from "../instance/engine.ts";
import type { ManagedInstance } from "../instance/managed-instance.ts";
import { keyOf, readByName } from "../record/names.ts";
import { type InstanceRecord, unusable } from "../record/record.ts";

/**
 * The instance of a record that was read, also when it was renamed meanwhile; `undefined` once it is gone.
 *
 * @throws {HostError} when its record is unusable now.
 */
export function findAgain(engine: Engine, record: InstanceRecord): ManagedInstance | undefined {
  const key = keyOf(record);
  const reading = engine.records.read(key);
  if (reading.kind === "newer" || reading.kind === "garbage")
    throw unusable(record.config.name, engine.layout.record(key), reading);
  const isThere = reading.kind === "record" && reading.record.uuid === record.uuid && reading.record.phase === "ready";
  return isThere ? know(engine, reading.record) : undefined;
}

/** The instance by name; also one whose deletion has failed, so that it can be deleted again. @throws {NotFoundError} */
export async function find(engine: Engine, name: string, options: Abortable = {}): Promise<ManagedInstance> {
  options.signal?.throwIfAborted();
  // An illegal name must not become part of a path.
  const legal = NameSchema.safeParse(name).success;
  const { key = "", reading } = legal ? readByName(engine, name) : {};
  if (reading?.kind === "newer" || reading?.kind === "garbage")
    throw unusable(name, engine.layout.record(key), reading);
  if (reading?.kind !== "record" || !isUsable(engine, reading.record))
    throw new NotFoundError("instance", name, { hint: await missingHint(engine, name) });
  return know(engine, reading.record);
}

/** The nearest name of an instance, if one is near, by the links alone: to read every record would take long. */
async function missingHint(engine: Engine, name: string): Promise<string> {
  // The error about the instance must not become one about the folder.
  const names = await readdir(engine.layout.names).catch(() => []);
  const near = nearest(
    name.slice(0, 100),
    names.filter((other) => other !== name),
  );
  const guess = near === undefined ? undefined : readByName(engine, near).reading;
  const isThere = guess?.kind === "record" && guess.record.phase === "ready";
  return `${isThere ? `did you mean "${near}"? ` : ""}list() has all of them`;
}

function isUsable({ layout }: Engine, record: InstanceRecord): boolean {
  if (record.phase === "ready") return true;
  return record.phase === "deleting" && !isHeld(layout.instanceLock(keyOf(record)));
}
