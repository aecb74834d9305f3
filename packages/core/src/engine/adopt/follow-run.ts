import { forEachLimited } from "../../flow/limited.ts";
import { type Engine, know } from "../instance/engine.ts";
import type { ManagedInstance } from "../instance/managed-instance.ts";
import { track } from "../instance/shared.ts";
import { allRecords } from "../record/all-records.ts";
import { keyOf } from "../record/names.ts";
import type { InstanceRecord } from "../record/record.ts";
import { currentRun } from "./current-run.ts";

/** How many runs are adopted at the same time. */
const AT_ONCE = 32;

/**
 * Attaches this process to the run of the instance in the background, for a caller that waits for its events: only an
 * attached process learns of the end. If the driver cannot tell, a `state` event says so.
 */
export function followRun(instance: ManagedInstance): void {
  const record = instance.record.readOwn();
  if (record !== undefined && needsLook(instance, record)) void track(instance.engine, look(instance));
}

/** As {@link followRun}, for every instance of the host. */
export function followAll(engine: Engine): void {
  const following = allRecords(engine.layout, engine.records).then((records) =>
    forEachLimited(records, AT_ONCE, async (record) => {
      if (engine.closing.aborted || record.phase !== "ready" || engine.records.read(keyOf(record)).kind !== "record")
        return;
      const instance = know(engine, record);
      if (needsLook(instance, record)) await look(instance);
    }),
  );
  track(engine, following).catch(() => undefined);
}

function needsLook({ engine, driverName, held }: ManagedInstance, record: InstanceRecord): boolean {
  if (record.state === "stopped" || record.phase !== "ready" || !engine.drivers.has(driverName)) return false;
  return held.starting === undefined && held.run?.id !== record.run;
}

async function look(instance: ManagedInstance): Promise<void> {
  const looking = instance.lock.exclusively("watch", {}, (record, turn) => currentRun(instance, record, turn));
  await looking.catch(() => undefined);
}
