import type { Backend, IdmapRequest } from "../../contract/backend.ts";
import type { Abortable } from "../../flow/abortable.ts";
import type { IdOwner, IdView } from "../../idmap/id-ranges.ts";
import type { IdRange } from "../../terms/id-range.ts";
import type { Idmap } from "../../terms/idmap.ts";
import { keyOf } from "../record/names.ts";
import { type InstanceRecord, writeRecord } from "../record/record.ts";
import type { Shared } from "./shared.ts";

type Asker = Pick<Backend<never>, "idmap">;

/**
 * Writes the record of a new instance, and gives it the ids that its driver asks for. The record is there first: a
 * claim of ids without a record counts as abandoned.
 */
export async function chooseIds(
  engine: Shared,
  backend: Asker,
  record: InstanceRecord,
  options: Abortable,
): Promise<Idmap | undefined> {
  const request = backend.idmap?.(record.config);
  const writing = writeRecord(engine.layout.record(keyOf(record)), record);
  let view: IdView | undefined;
  try {
    // While the disk is written.
    view = request && engine.ids.view();
  } finally {
    await writing;
  }
  return request && view && mapOf(await engine.ids.claim(ownerOf(engine, record), request, view, options), request);
}

/** The ids of an instance that is about to start: those that it has, unless they belong to another by now. */
export async function keepIds(
  engine: Shared,
  backend: Asker,
  record: InstanceRecord,
  options: Abortable,
): Promise<Idmap | undefined> {
  const request = backend.idmap?.(record.config);
  if (request === undefined) return record.idmap;
  if (record.idmap === undefined) {
    if (request.use !== "process") return undefined;
    return mapOf(await engine.ids.claim(ownerOf(engine, record), request, engine.ids.view(), options), request);
  }
  return mapOf(await engine.ids.keep(ownerOf(engine, record), request, record.idmap, options), request);
}

/** The map of an instance with this range. */
function mapOf(range: IdRange, { extra }: IdmapRequest): Idmap {
  return { ...range, ...(extra === undefined ? {} : { extra }) };
}

function ownerOf({ layout }: Shared, record: InstanceRecord): IdOwner {
  return { uuid: record.uuid, record: layout.record(keyOf(record)) };
}
