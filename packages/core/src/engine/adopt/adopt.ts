import { randomUUID } from "node:crypto";
import { abortable, type DeadlineOptions, withDeadline } from "../../flow/deadline.ts";
import type { ExitStatus, InstanceExit, InstanceState } from "../../terms/state.ts";
import { END_TIMEOUT } from "../gate/step-timeouts.ts";
import { instanceContext } from "../instance/context.ts";
import { wholeExit } from "../instance/exit-facts.ts";
import type { Turn } from "../instance/instance-lock.ts";
import type { ManagedInstance } from "../instance/managed-instance.ts";
import type { InstanceRecord } from "../record/record.ts";
import { type AnyRunning, Run } from "../run/run.ts";
import { finishUpdate } from "./apply-live.ts";

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
  turn: Turn,
): Promise<Run | undefined> {
  const { signal, overtaken } = turn;
  const { backend } = instance.driver;
  let running: AnyRunning | undefined;
  let status: ExitStatus | undefined;
  try {
    const context = await instanceContext(instance.engine, record, { signal });
    running = await backend.adopt(context, { signal });
    if (signal.aborted) await running?.detach();
    signal.throwIfAborted();
    status = running === undefined ? await backend.lastExit?.(context, { signal }) : undefined;
    if (running !== undefined && record.state === "starting") {
      await endByForce(instance, running, signal);
      running = undefined;
    }
  } catch (error) {
    signal.throwIfAborted();
    instance.record.markUnreachable(error);
    throw error;
  }
  if (running === undefined) {
    // A start that never finished is not a lost run: it has no exit to record.
    const exit = record.state === "starting" ? undefined : await exitWhileDetached(instance, record, status);
    await instance.record.end(record, exit, overtaken);
    return undefined;
  }
  try {
    return await takeOver(instance, record, running, turn);
  } catch (error) {
    if (!signal.aborted) instance.record.markUnreachable(error);
    await running.detach();
    throw error;
  }
}

async function takeOver(
  instance: ManagedInstance,
  record: InstanceRecord,
  running: AnyRunning,
  turn: Turn,
): Promise<Run> {
  const { signal, overtaken } = turn;
  const run = new Run(record.run ?? randomUUID(), running);
  const state = await runningState(instance, record, running, signal);
  // A freeze that was cut short had already frozen the instance.
  const frozen = record.state === "running" && state === "frozen";
  const before = frozen ? instance.record.publishIntermediate(record, "freezing") : record;
  await instance.record.change(before, { state, run: run.id, error: undefined }, { overtaken });
  instance.held.hold(run);
  await finishUpdate(instance, record, run, turn);
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
  if (["stopping", "error"].includes(record.state) && (await instance.stops.isAnyUnderWay())) return "stopping";
  // After a stop that was cut short the instance is `running` again: no process waits for its end. `stopRequested`
  // stays on record.
  return ((await running.isFrozen?.({ signal })) ?? record.state === "frozen") ? "frozen" : "running";
}

async function exitWhileDetached(
  instance: ManagedInstance,
  record: InstanceRecord,
  status: ExitStatus | undefined,
): Promise<InstanceExit> {
  const stopRequested = record.stopRequested || (await instance.stops.isAnyUnderWay());
  const reason = stopRequested ? "requested" : status === undefined ? "lost" : "program";
  return wholeExit(instance.engine.layout.run(instance.key), record, { reason, status, at: Date.now() });
}

/** Kills a run and waits until nothing of it is left. Returns how it ended, if that is known. @throws {TimeoutError} */
export async function endByForce(
  { name }: Pick<ManagedInstance, "name">,
  running: AnyRunning,
  signal: AbortSignal | undefined,
): Promise<ExitStatus | undefined> {
  await abortable(running.kill(), signal);
  return withDeadline(endOfKilled(name, signal), () => running.exited);
}

/** The deadline for the end of an instance that was killed. */
export function endOfKilled(name: string, signal: AbortSignal | undefined): DeadlineOptions {
  return {
    action: `the end of instance "${name}" after a kill`,
    timeout: END_TIMEOUT,
    signal,
    hint: "its processes may wait in the kernel for a device: ps shows them in state D; kill or delete it again",
  };
}
