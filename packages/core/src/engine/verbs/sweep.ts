import type { SweepOptions } from "../../contract/host.ts";
import { joinFailures } from "../../flow/cleanup.ts";
import { forEachLimited } from "../../flow/limited.ts";
import { parse } from "../../model/parse.ts";
import { SweepOptionsSchema } from "../../model/verb-options.ts";
import type { Engine } from "../instance/engine.ts";
import { allRecords } from "../record/all-records.ts";
import { keyOf } from "../record/names.ts";
import { isGone } from "../record/owner-process.ts";
import type { InstanceRecord } from "../record/record.ts";
import { clearHalfMade } from "../remains/clear-half-made.ts";
import { remove } from "./delete.ts";
import { findAgain } from "./find.ts";
import { hasLabels } from "./list.ts";

/** How many instances are deleted at the same time. */
const AT_ONCE = 8;

/** Deletes the ephemeral instances of dead processes, and returns their names. A failure does not stop the others. */
export async function sweep(engine: Engine, options: SweepOptions = {}): Promise<readonly string[]> {
  const { labels } = parse(SweepOptionsSchema, options, "options of sweep");
  const swept: string[] = [];
  const failures: unknown[] = [];
  await forEachLimited(await allRecords(engine.layout, engine.records, options), AT_ONCE, async (record) => {
    options.signal?.throwIfAborted();
    if (!(await isLeft(engine, record)) || !hasLabels(record, labels)) return;
    const { name } = record.config;
    try {
      if (record.phase === "ready") {
        const instance = findAgain(engine, record);
        // Another sweep was faster.
        if (instance === undefined) return;
        await remove(instance, options);
      } else {
        await clearHalfMade(engine, keyOf(record));
        if (engine.records.read(keyOf(record)).kind !== "absent") return;
      }
      swept.push(name);
    } catch (error) {
      options.signal?.throwIfAborted();
      failures.push(error);
    }
  });
  if (failures.length > 0) throw joinFailures(failures);
  return swept.sort();
}

/** Whether it is an ephemeral instance of a dead process that this host and this release can delete. */
async function isLeft({ drivers, records }: Engine, record: InstanceRecord): Promise<boolean> {
  const { owner, config } = record;
  if (owner === undefined || !drivers.has(config.driver)) return false;
  return records.read(keyOf(record)).kind === "record" && (await isGone(owner));
}
