import type { Abortable } from "../../contract/abortable.ts";
import type { InstanceInfo } from "../../contract/instance.ts";
import { instanceInfo } from "../info.ts";
import type { ManagedInstance } from "../managed-instance.ts";
import type { InstanceRecord } from "../record.ts";

/** Reads the record and checks it against what runs, unless this process is attached to the run already. */
export async function inspect(instance: ManagedInstance, options: Abortable = {}): Promise<InstanceInfo> {
  options.signal?.throwIfAborted();
  const record = instance.read("inspect");
  const { run } = instance;
  const watched = run !== undefined && run.id === record.run && run.end === undefined && record.state !== "error";
  // A start holds the lock until it is done; meanwhile the record is right.
  if (record.state === "stopped" || watched || instance.starting !== undefined)
    return instanceInfo(record, instance.run);
  return instance.exclusively("inspect", options, async (current, signal) => {
    if (instance.engine.drivers.has(instance.driverName)) await lookAgain(instance, current, signal);
    return instanceInfo(instance.shown(instance.read("inspect")), instance.run);
  });
}

async function lookAgain(instance: ManagedInstance, record: InstanceRecord, signal: AbortSignal): Promise<void> {
  try {
    await instance.currentRun(record, signal);
  } catch (error) {
    signal.throwIfAborted();
    // If the error concerns the instance, the returned information has the reason.
    if (instance.shown(record).state !== "error") throw error;
  }
}
