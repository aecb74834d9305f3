import { type InstanceExit, TRANSITIONS } from "../contract/state.ts";
import { joinFailures } from "../driver/cleanup.ts";
import type { ManagedInstance } from "./managed-instance.ts";
import type { InstanceRecord } from "./record.ts";
import type { Run } from "./run.ts";
import { isStopUnderWay } from "./stop-mark.ts";

/** The fields of a record once nothing of the last run is left. */
export const STOPPED = { state: "stopped", stopRequested: undefined, error: undefined } as const;

/**
 * Records the end of a run and publishes it, once; then settles the run. Another process that was attached to the same
 * run may have recorded the end already, or started the next run: then its record stays, and this process publishes
 * what it says. Only under the lock.
 */
export async function recordExit(instance: ManagedInstance, run: Run): Promise<void> {
  if (run.end === undefined) return;
  // Else a verb has found a later run meanwhile, which this end does not concern.
  if (instance.run === run) {
    const reading = instance.engine.records.read(instance.name);
    if (reading.kind === "record" && reading.record.uuid === instance.uuid && reading.record.run === run.id) {
      const { record } = reading;
      run.exit = record.state === "stopped" ? record.exit : await exitOf(instance, record, run);
      await recordEnd(instance, throughStopping(instance, record, run), run.exit);
    }
    instance.run = undefined;
  }
  run.settle();
}

/**
 * Detaches from a run whose end the driver failed to report; the next verb looks for it again. Only under the lock.
 * Returns the error to throw.
 */
export async function abandonRun(instance: ManagedInstance, run: Run, failure: unknown): Promise<unknown> {
  if (instance.run !== run) return failure;
  instance.run = undefined;
  instance.markUnreachable(failure);
  try {
    await run.running.detach();
    return failure;
  } catch (error) {
    return joinFailures([failure, error]);
  }
}

/** Records that nothing of a run is left, with its exit if there is one, and publishes that. Only under the lock. */
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
 * A kill does not wait for the lock. When the end came before the kill could record `stopping`, that state is published
 * here.
 */
function throughStopping(instance: ManagedInstance, record: InstanceRecord, run: Run): InstanceRecord {
  const overtaken = run.endRequested && TRANSITIONS[record.state].includes("stopping");
  return overtaken ? instance.publishIntermediate(record, "stopping") : record;
}

/** How and why a run ended. Another process may have killed it before it could record the request. */
export async function exitOf(instance: ManagedInstance, record: InstanceRecord, run: Run): Promise<InstanceExit> {
  const status = run.end?.status;
  const stopRequested = record.stopRequested || run.endRequested || (await isStopUnderWay(instance));
  return {
    reason: stopRequested ? "requested" : "program",
    ...(status === undefined ? {} : { status }),
    at: Date.now(),
  };
}
