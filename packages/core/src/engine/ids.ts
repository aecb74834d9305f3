import type { Abortable } from "../contract/abortable.ts";
import type { Backend } from "../driver/backend.ts";
import type { IdOwner, IdView } from "../idmap/id-ranges.ts";
import type { Idmap } from "../system/idmap.ts";
import type { Engine } from "./engine.ts";
import { type InstanceRecord, writeRecord } from "./record.ts";
import type { RecoveryIssue } from "./recover.ts";
import { allRecords } from "./verbs/list.ts";

type Asker = Pick<Backend<never>, "idmap">;

/**
 * Writes the record of a new instance, and gives it the ids that its driver asks for. The record is there first: a
 * claim of ids without a record counts as abandoned.
 */
export async function chooseIds(
  engine: Engine,
  backend: Asker,
  record: InstanceRecord,
  options: Abortable,
): Promise<Idmap | undefined> {
  const request = backend.idmap?.(record.config);
  const writing = writeRecord(engine.layout.record(record.config.name), record);
  let view: IdView | undefined;
  try {
    // While the disk is written.
    view = request && engine.ids.view();
  } finally {
    await writing;
  }
  return request && view && (await engine.ids.claim(ownerOf(engine, record), request, view, options));
}

/** The ids of an instance that is about to start: those that it has, unless they belong to another by now. */
export async function keepIds(
  engine: Engine,
  backend: Asker,
  record: InstanceRecord,
  options: Abortable,
): Promise<Idmap | undefined> {
  const request = backend.idmap?.(record.config);
  if (request === undefined) return record.idmap;
  if (record.idmap === undefined) {
    if (request.use !== "process") return undefined;
    return engine.ids.claim(ownerOf(engine, record), request, engine.ids.view(), options);
  }
  return engine.ids.keep(ownerOf(engine, record), request, record.idmap, options);
}

/** The instances that have no ids of their own although their driver asks for some, for `doctor()`. */
export async function instancesWithoutIds({ layout, records, drivers }: Engine): Promise<readonly RecoveryIssue[]> {
  const reason = "an earlier release created it with ids of the host that others may have: create it anew";
  return (await allRecords(layout, records))
    .filter(({ idmap, config }) => {
      const request = idmap === undefined ? drivers.get(config.driver)?.backend.idmap?.(config) : undefined;
      return request !== undefined && request.use !== "process";
    })
    .map(({ config }) => ({ instance: config.name, reason }));
}

function ownerOf({ layout }: Engine, { uuid, config }: InstanceRecord): IdOwner {
  return { uuid, record: layout.record(config.name) };
}
