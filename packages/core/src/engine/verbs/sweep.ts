import { isInstanceError } from "../../contract/errors.ts";
import type { SweepOptions } from "../../contract/host.ts";
import { joinFailures } from "../../driver/cleanup.ts";
import { parse } from "../../model/parse.ts";
import { SweepOptionsSchema } from "../../model/verb-options.ts";
import type { Engine } from "../engine.ts";
import { forEachLimited } from "../limited.ts";
import { isGone } from "../owner-process.ts";
import type { InstanceRecord } from "../record.ts";
import { clearHalfMade } from "../recover.ts";
import { remove } from "./delete.ts";
import { find } from "./find.ts";
import { allRecords, hasLabels } from "./list.ts";

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
        const instance = await find(engine, name, options);
        if (instance.uuid !== record.uuid) return;
        await remove(instance, options);
      } else {
        await clearHalfMade(engine, name);
        if (engine.records.read(name).kind !== "absent") return;
      }
      swept.push(name);
    } catch (error) {
      options.signal?.throwIfAborted();
      // Another sweep was faster.
      if (!isInstanceError(error, "ERR_INSTANCE_NOT_FOUND")) failures.push(error);
    }
  });
  if (failures.length > 0) throw joinFailures(failures);
  return swept.sort();
}

/** Whether it is an ephemeral instance of a dead process that this host and this release can delete. */
async function isLeft({ drivers, records }: Engine, { owner, config }: InstanceRecord): Promise<boolean> {
  if (owner === undefined || !drivers.has(config.driver)) return false;
  return records.read(config.name).kind === "record" && (await isGone(owner));
}
