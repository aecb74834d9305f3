import { randomUUID } from "node:crypto";
import type { ExitStatus, InstanceExit, InstanceState } from "../contract/state.ts";
import { instanceContext } from "./context.ts";
import { recordEnd } from "./exit.ts";
import type { ManagedInstance } from "./managed-instance.ts";
import type { InstanceRecord } from "./record.ts";
import { type AnyRunning, Run } from "./run.ts";
import { isStopUnderWay } from "./stop-mark.ts";

/**
 * Finds what runs of an instance whose record says that it does, and makes the record true again: the run, held from
 * now on; or nothing, and then it is `stopped`. A start that a crash cut short is undone. Only under the lock.
 *
 * What the driver cannot tell is an `error` in this process alone, and is asked again by the next verb: the record
 * stays as it is, for another process may hold what this one cannot reach.
 */
export async function findAgain(
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
    instance.loseSight(error);
    throw error;
  }
  if (running === undefined) {
    // A start that never finished is not a run that was lost: there is nothing to tell about its end.
    const exit = record.state === "starting" ? undefined : await exitBehindOurBack(instance, record, status);
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
  // A freeze that was cut short had come far enough.
  const frozen = record.state === "running" && state === "frozen";
  const before = frozen ? instance.passThrough(record, "freezing") : record;
  await instance.change(before, { state, run: run.id, error: undefined });
  instance.hold(run);
  return run;
}

/** The state of an instance that runs, as the host tells it. Only under the lock. */
export async function runningState(
  instance: ManagedInstance,
  record: InstanceRecord,
  running: AnyRunning,
  signal: AbortSignal,
): Promise<InstanceState> {
  // `error` may have come over `stopping`.
  if (["stopping", "error"].includes(record.state) && (await isStopUnderWay(instance))) return "stopping";
  // A stop that was cut short makes it `running`, too: nobody waits for the end any more. That it was asked for stays
  // on record.
  return ((await running.isFrozen?.({ signal })) ?? record.state === "frozen") ? "frozen" : "running";
}

async function exitBehindOurBack(
  instance: ManagedInstance,
  record: InstanceRecord,
  status: ExitStatus | undefined,
): Promise<InstanceExit> {
  const asked = record.asked || (await isStopUnderWay(instance));
  const reason = asked ? "requested" : status === undefined ? "lost" : "program";
  return { reason, ...(status === undefined ? {} : { status }), at: Date.now() };
}

/** Ends what runs and waits until nothing of it is left. */
export async function endByForce(running: AnyRunning): Promise<void> {
  await running.kill();
  await running.exited;
}
