import { type InstanceExit, TRANSITIONS } from "../contract/state.ts";
import { joinFailures } from "../driver/cleanup.ts";
import type { ManagedInstance } from "./managed-instance.ts";
import type { InstanceRecord } from "./record.ts";
import type { Run } from "./run.ts";
import { isStopUnderWay } from "./stop-mark.ts";

/** What a record says of an instance once nothing of its last run is left. */
export const STOPPED = { state: "stopped", asked: undefined, error: undefined } as const;

/**
 * Puts the end of a run on record and tells of it, once; then those who wait for it go on. Another process that held
 * the same run may have recorded the end, or started the next run: its record then stands, and the watchers here are
 * told of it. Only under the lock.
 */
export async function recordExit(instance: ManagedInstance, run: Run): Promise<void> {
  if (run.end === undefined) return;
  // Else a verb has found a later run meanwhile, of which this end tells nothing.
  if (instance.run === run) {
    const reading = instance.engine.records.read(instance.name);
    if (reading.kind === "record" && reading.record.uuid === instance.uuid && reading.record.run === run.id) {
      const { record } = reading;
      run.exit = record.state === "stopped" ? record.exit : await exitOf(instance, record, run);
      await recordEnd(instance, onTheWay(instance, record, run), run.exit);
    }
    instance.run = undefined;
  }
  run.settle();
}

/**
 * Drops a run whose end the driver failed to report: the next verb looks for what runs. Only under the lock. Returns
 * what to throw.
 */
export async function letGoOfRun(instance: ManagedInstance, run: Run, failure: unknown): Promise<unknown> {
  if (instance.run !== run) return failure;
  instance.run = undefined;
  instance.loseSight(failure);
  try {
    await run.running.detach();
    return failure;
  } catch (error) {
    return joinFailures([failure, error]);
  }
}

/**
 * Records that nothing of a run is left, with how it ended if there is anything to tell, and tells of it. Only under
 * the lock.
 */
export async function recordEnd(
  instance: ManagedInstance,
  record: InstanceRecord,
  exit: InstanceExit | undefined,
): Promise<void> {
  await instance.change(record, { ...STOPPED, exit });
  if (exit === undefined) return;
  instance.engine.events.publish({ type: "exit", instance: instance.name, at: Date.now(), exit });
}

/**
 * A kill does not wait for its turn: where it was faster, the step that it would have put on record is told of here.
 */
function onTheWay(instance: ManagedInstance, record: InstanceRecord, run: Run): InstanceRecord {
  const overtaken = run.endRequested && TRANSITIONS[record.state].includes("stopping");
  return overtaken ? instance.passThrough(record, "stopping") : record;
}

/** How a run ended, with why. Another process may have killed it before it could put on record that it would. */
export async function exitOf(instance: ManagedInstance, record: InstanceRecord, run: Run): Promise<InstanceExit> {
  const status = run.end?.status;
  const asked = record.asked || run.endRequested || (await isStopUnderWay(instance));
  return {
    reason: asked ? "requested" : "program",
    ...(status === undefined ? {} : { status }),
    at: Date.now(),
  };
}
