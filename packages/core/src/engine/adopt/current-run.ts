import type { Turn } from "../instance/instance-lock.ts";
import type { ManagedInstance } from "../instance/managed-instance.ts";
import type { InstanceRecord } from "../record/record.ts";
import type { Run } from "../run/run.ts";
import { adoptRun, runningState } from "./adopt.ts";
import { finishUpdate } from "./apply-live.ts";

/**
 * The current run; adopts it when another process began it. `undefined` when the instance does not run; the record then
 * says so. Only under the lock.
 */
export async function currentRun(
  instance: ManagedInstance,
  record: InstanceRecord,
  turn: Turn,
): Promise<Run | undefined> {
  if (record.state === "stopped") return undefined;
  const { run } = instance.held;
  if (run === undefined || run.id !== record.run) return adoptRun(instance, record, turn);
  if (run.end !== undefined) {
    await instance.held.recordEnd(run, turn.overtaken);
    return undefined;
  }
  // The process that asked for the end has died, or a process that could not reach the run recorded `error`.
  if (record.state === "error" || (record.state === "stopping" && !(await instance.stops.isAnyUnderWay()))) {
    const state = await runningState(instance, record, run.running, turn.signal);
    await instance.record.change(record, { state, error: undefined }, turn);
  }
  await finishUpdate(instance, record, run, turn);
  return run;
}
