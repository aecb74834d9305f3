import { randomUUID } from "node:crypto";
import type { ExitStatus, InstanceExit, InstanceState } from "../contract/state.ts";
import { instanceContext } from "./context.ts";
import { recordEnd } from "./exit.ts";
import type { ManagedInstance } from "./managed-instance.ts";
import type { InstanceRecord } from "./record.ts";
import { type AnyRunning, Run } from "./run.ts";
import { isStopUnderWay } from "./stop-mark.ts";

/**
 * Finds the run of an instance that is not `stopped` on record, and corrects the record. Returns the run, attached from
 * now on, or `undefined` when nothing runs; the instance is then `stopped`. Undoes a start that a crash cut short. Only
 * under the lock.
 *
 * When the driver cannot tell, the instance is in `error` in this process alone, and the next verb asks the driver
 * again. The record stays as it is, because another process may be attached to the run that this one cannot reach.
 */
export async function adoptRun(
  instance: ManagedInstance,
  record: InstanceRecord,
  signal: AbortSignal,
): Promise<Run | undefined> {
  const { backend } = instance.driver;
  let running: AnyRunning | undefined;
  let status: ExitStatus | undefined;
  try {
    const context = await instanceContext(instance.engine, record, { signal });
    running = await backend.adopt(context, { signal });
    status = running === undefined ? await backend.lastExit?.(context, { signal }) : undefined;
    if (running !== undefined && record.state === "starting") {
      await endByForce(running);
      running = undefined;
    }
  } catch (error) {
    signal.throwIfAborted();
    instance.markUnreachable(error);
    throw error;
  }
  if (running === undefined) {
    // A start that never finished is not a lost run: it has no exit to record.
    const exit = record.state === "starting" ? undefined : await exitWhileDetached(instance, record, status);
    await recordEnd(instance, record, exit);
    return undefined;
  }
  try {
    return await takeOver(instance, record, running, signal);
  } catch (error) {
    await running.detach();
    throw error;
  }
}

async function takeOver(
  instance: ManagedInstance,
  record: InstanceRecord,
  running: AnyRunning,
  signal: AbortSignal,
): Promise<Run> {
  const run = new Run(record.run ?? randomUUID(), running);
  const state = await runningState(instance, record, running, signal);
  // A freeze that was cut short had already frozen the instance.
  const frozen = record.state === "running" && state === "frozen";
  const before = frozen ? instance.publishIntermediate(record, "freezing") : record;
  await instance.change(before, { state, run: run.id, error: undefined });
  instance.hold(run);
  return run;
}

/** The actual state of an instance that runs. Only under the lock. */
export async function runningState(
  instance: ManagedInstance,
  record: InstanceRecord,
  running: AnyRunning,
  signal: AbortSignal,
): Promise<InstanceState> {
  // `error` may have replaced `stopping`.
  if (["stopping", "error"].includes(record.state) && (await isStopUnderWay(instance))) return "stopping";
  // After a stop that was cut short the instance is `running` again: no process waits for its end. `stopRequested`
  // stays on record.
  return ((await running.isFrozen?.({ signal })) ?? record.state === "frozen") ? "frozen" : "running";
}

async function exitWhileDetached(
  instance: ManagedInstance,
  record: InstanceRecord,
  status: ExitStatus | undefined,
): Promise<InstanceExit> {
  const stopRequested = record.stopRequested || (await isStopUnderWay(instance));
  const reason = stopRequested ? "requested" : status === undefined ? "lost" : "program";
  return { reason, ...(status === undefined ? {} : { status }), at: Date.now() };
}

/** Kills a run and waits until nothing of it is left. */
export async function endByForce(running: AnyRunning): Promise<void> {
  await running.kill();
  await running.exited;
}
