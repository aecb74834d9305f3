import type { InstanceInfo } from "../../contract/instance.ts";
import type { Abortable } from "../../flow/abortable.ts";
import { isUnapplied } from "../adopt/apply-live.ts";
import { currentRun } from "../adopt/current-run.ts";
import { instanceInfo } from "../instance/info.ts";
import type { Turn } from "../instance/instance-lock.ts";
import type { ManagedInstance } from "../instance/managed-instance.ts";
import { appliedConfig, isApplied } from "../record/manifest.ts";
import type { InstanceRecord } from "../record/record.ts";

/** Reads the record and checks it against what runs, unless this process is attached to the run already. */
export async function inspect(instance: ManagedInstance, options: Abortable = {}): Promise<InstanceInfo> {
  options.signal?.throwIfAborted();
  const record = instance.record.read("inspect");
  const { run } = instance.held;
  const watched = run !== undefined && run.id === record.run && run.end === undefined && record.state !== "error";
  // A start holds the lock until it is done; meanwhile the record is right.
  if (record.state === "stopped" || instance.held.starting !== undefined) return whole(instance, record);
  if (watched && !(await isCutShort(instance, record))) return whole(instance, record);
  return instance.lock.exclusively("inspect", options, async (current, turn) => {
    if (instance.engine.drivers.has(instance.driverName)) await lookAgain(instance, current, turn);
    return whole(instance, instance.record.shown(instance.record.read("inspect")));
  });
}

/** Whether the process that was stopping it, or changing it, is gone. No call waits for one that is still at it. */
async function isCutShort(instance: ManagedInstance, record: InstanceRecord): Promise<boolean> {
  if (record.state !== "stopping" && isApplied(record)) return false;
  if (instance.lock.isTaken) return false;
  if (record.state === "stopping") return !instance.held.run?.endRequested && !(await instance.stops.isAnyUnderWay());
  return isUnapplied(instance, record);
}

function whole(instance: ManagedInstance, record: InstanceRecord): InstanceInfo {
  return instanceInfo(record, instance.held.run, appliedConfig(instance.engine.layout, record));
}

async function lookAgain(instance: ManagedInstance, record: InstanceRecord, turn: Turn): Promise<void> {
  try {
    await currentRun(instance, record, turn);
  } catch (error) {
    turn.signal.throwIfAborted();
    // If the error concerns the instance, the returned information has the reason.
    if (instance.record.shown(record).state !== "error") throw error;
  }
}
