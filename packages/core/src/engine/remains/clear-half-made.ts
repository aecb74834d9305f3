import { tryLock } from "../../system/lock.ts";
import type { Shared } from "../instance/shared.ts";
import { labelOf, unlinkAll } from "../record/names.ts";
import { type RecordReading, unusable } from "../record/record.ts";
import { settleDone } from "../record/settle.ts";
import { removeAbandonedFolder } from "../root/remove-folder.ts";
import { removeTraces } from "./remove-traces.ts";

/**
 * Undoes a create and finishes a delete that was cut short. Returns the issue to report, if there is one. Does nothing
 * while another call has the instance's lock.
 */
export async function clearHalfMade(shared: Shared, key: string): Promise<string | undefined> {
  await using lock = await tryLock(shared.layout.instanceLock(key));
  // Another call is creating or deleting it right now.
  if (lock === undefined) return undefined;
  const now = shared.records.read(key);
  if (now.kind === "record" && now.record.phase === "ready") return undefined;
  const issue = await clearUnderLock(shared, key, now);
  settleDone(shared, key);
  if (issue === undefined) await lock.retire();
  return issue;
}

/** As {@link clearHalfMade}, for a caller that has the lock and has read the record. */
export async function clearUnderLock(shared: Shared, key: string, reading: RecordReading): Promise<string | undefined> {
  const path = shared.layout.record(key);
  switch (reading.kind) {
    case "newer":
    case "garbage":
      return unusable(await labelOf(shared, key), path, reading).message;
    case "absent":
      if (await removeAbandonedFolder(shared.layout.instance(key))) {
        await unlinkAll(shared.layout, key);
        return undefined;
      }
      return `its folder ${shared.layout.instance(key)} has no record: check its content, or remove it`;
    case "record": {
      const driver = shared.drivers.get(reading.record.config.driver);
      if (driver === undefined)
        return `its ${reading.record.phase} was cut short; open the host with the driver "${reading.record.config.driver}" to clear it`;
      await removeTraces(shared, driver, reading.record);
      return undefined;
    }
    default:
      return reading satisfies never;
  }
}
