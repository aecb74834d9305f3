import type { ListOptions } from "../../contract/host.ts";
import type { InstanceInfo } from "../../contract/instance.ts";
import type { Abortable } from "../../flow/abortable.ts";
import { withDeadline } from "../../flow/deadline.ts";
import { forEachLimited } from "../../flow/limited.ts";
import { parse } from "../../model/parse.ts";
import { ListOptionsSchema } from "../../model/verb-options.ts";
import type { Engine } from "../instance/engine.ts";
import { instanceInfo } from "../instance/info.ts";
import { allRecords } from "../record/all-records.ts";
import { keyOf } from "../record/names.ts";
import type { InstanceRecord } from "../record/record.ts";
import { findAgain } from "./find.ts";
import { inspect } from "./inspect.ts";

/** How many instances are inspected at the same time. */
const AT_ONCE = 32;
/** How long a list waits for each instance, in milliseconds. */
const LOOK_TIMEOUT = 10_000;
const NO_ANSWER = "its driver does not answer, or another call is working on it";

/** The instances that match, by name. */
export async function list(engine: Engine, options: ListOptions = {}): Promise<readonly InstanceInfo[]> {
  const { kind, driver, labels, state } = parse(ListOptionsSchema, options, "options of list");
  const records = await allRecords(engine.layout, engine.records, options);
  for (const known of engine.instances.values()) known.record.noticeDeletion();
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
  const known = engine.instances.get(keyOf(record));
  return known?.uuid === record.uuid
    ? instanceInfo(known.record.shown(record), known.held.run)
    : instanceInfo(record, undefined);
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
    const instance = findAgain(engine, record);
    if (instance === undefined) return undefined;
    const { signal } = options;
    const limits = { action: `a look at instance "${name}"`, timeout: LOOK_TIMEOUT, signal, hint: NO_ANSWER };
    return await withDeadline(limits, (limited) => inspect(instance, { signal: limited }));
  } catch (error) {
    options.signal?.throwIfAborted();
    const reading = engine.records.read(keyOf(record));
    if (reading.kind !== "newer" && (reading.kind !== "record" || reading.record.uuid !== record.uuid))
      return undefined;
    const reason = error instanceof Error ? error.message : String(error);
    return instanceInfo({ ...record, state: "error", error: reason }, undefined);
  }
}
