import type { StopOptions } from "../../contract/instance.ts";
import { abortable, abortableWithin, Deadline, withDeadline } from "../../flow/deadline.ts";
import { STOP_HABITS } from "../../model/habits.ts";
import { parse } from "../../model/parse.ts";
import { StopOptionsSchema } from "../../model/verb-options.ts";
import { endOfKilled } from "../adopt/adopt.ts";
import { currentRun } from "../adopt/current-run.ts";
import type { ManagedInstance } from "../instance/managed-instance.ts";
import { track } from "../instance/shared.ts";
import type { Run } from "../run/run.ts";

/**
 * Milliseconds past its deadline in which a stop may still begin: a stop that began at the last moment is undone in
 * order, and one that is going to kill still does.
 */
const BEGIN_GRACE = 800;

/** Stops an instance. The stop goes on when the caller stops waiting. */
export async function stop(instance: ManagedInstance, options: StopOptions = {}): Promise<void> {
  const { mode, timeout } = parse(StopOptionsSchema, options, "options of stop", STOP_HABITS);
  options.signal?.throwIfAborted();
  return abortable(track(instance.engine, stopInBackground(instance, mode, timeout)), options.signal);
}

async function stopInBackground(
  instance: ManagedInstance,
  mode: NonNullable<StopOptions["mode"]>,
  timeout: number,
): Promise<void> {
  const { closing } = instance.engine;
  // A call that is refused must not kill.
  instance.record.read("stop");
  const mark = mode === "kill" ? await instance.held.killWithoutLock() : undefined;
  const deadline = new Deadline({
    action: `stop of instance "${instance.name}"`,
    timeout: mode === "kill" ? Number.POSITIVE_INFINITY : timeout,
    signal: closing,
    hint: 'it runs on; stop it with { mode: "kill" }, or see in its logs what it waits for',
  });
  const turn = new Deadline({
    action: `waiting for other calls before the stop of instance "${instance.name}"`,
    timeout: mode === "kill" ? Number.POSITIVE_INFINITY : mode === "ask" ? timeout : timeout + BEGIN_GRACE,
    signal: closing,
    hint: "another call, here or in another process, is working on it",
  });
  try {
    const begin = beginStop(instance, mode, turn.signal, mark);
    const begun = await abortableWithin(begin, turn.signal, BEGIN_GRACE).catch((error) => {
      // The stop may still begin, without a caller that waits for the end.
      const late = begin.then(async (stop) => stop && giveUp(instance, stop, error));
      track(instance.engine, late).catch(() => undefined);
      throw error;
    });
    if (begun === undefined) return;
    const { run, joined, unmark } = begun;
    try {
      if (mode !== "kill") await askAndWait(run, joined, deadline.signal);
      else await killAndWait(instance, run, closing);
    } catch (error) {
      if (run.end !== undefined) await abortable(run.settled, closing);
      else if (mode === "ask-then-kill" && !closing.aborted) await killAndWait(instance, run, closing);
      // Another call has killed it meanwhile: there is nothing left to ask, and the end will come.
      else if (mode === "ask" && run.endRequested) await abortable(run.settled, deadline.signal);
      else await giveUp(instance, begun, error);
    } finally {
      await unmark();
    }
  } finally {
    await mark?.();
    turn[Symbol.dispose]();
    deadline[Symbol.dispose]();
  }
}

interface BegunStop {
  readonly run: Run;
  /** Another stop, in any process, has asked already. */
  readonly joined: boolean;
  /** See {@link StopMarks.mark}. */
  readonly unmark: () => Promise<void>;
}

/** Marks the run as about to end; `undefined` when there is none. */
async function beginStop(
  instance: ManagedInstance,
  mode: NonNullable<StopOptions["mode"]>,
  turn: AbortSignal,
  mark: (() => Promise<void>) | undefined,
): Promise<BegunStop | undefined> {
  const turnOnly = { signal: turn, overtakes: mode === "kill", undoesRenames: false };
  return instance.lock.exclusively("stop", turnOnly, async (before, current) => {
    const { signal, overtaken } = current;
    const run = await currentRun(instance, before, current);
    if (run === undefined) return undefined;
    const record = instance.record.read("stop");
    // A frozen process handles no signal, and liblxc hangs on a frozen container. A kill needs no thaw.
    if (record.state === "frozen" && mode !== "kill") await run.running.unfreeze?.({ signal });
    // Do not begin a stop that no caller waits for.
    signal.throwIfAborted();
    const joined = record.state === "stopping";
    if (!joined) await instance.record.change(record, { state: "stopping", stopRequested: true }, { overtaken });
    return { run, joined, unmark: mark ?? (await instance.stops.mark()) };
  });
}

// Outside the lock, so that a kill can overtake.
async function askAndWait(run: Run, joined: boolean, signal: AbortSignal): Promise<void> {
  // The end of the run counts even while the driver still asks.
  const asked = joined ? run.settled : run.running.shutdown({ signal }).then(() => run.settled);
  await abortable(Promise.race([asked, run.settled]), signal);
}

async function killAndWait({ name }: ManagedInstance, run: Run, closing: AbortSignal): Promise<void> {
  await abortable(run.running.kill(), closing);
  await withDeadline(endOfKilled(name, closing), () => run.settled);
}

/**
 * Records that the instance keeps running, unless another stop still waits for its end; then throws `error`. Returns if
 * the instance has ended after all. When the host is being disposed, the record stays as it is for the next process
 * that opens the root.
 */
async function giveUp(instance: ManagedInstance, { run, unmark }: BegunStop, error: unknown): Promise<void> {
  if (instance.engine.closing.aborted) throw error;
  await instance.lock.locked({}, async (_lock, { overtaken }) => {
    await unmark();
    // This process knows nothing of a run that it is not attached to: the next call finds a stop without a waiter.
    if (run.end !== undefined || instance.held.run !== run || (await instance.stops.isAnyUnderWay())) return;
    const record = instance.record.read("stop");
    if (record.run === run.id && record.state === "stopping")
      await instance.record.change(record, { state: "running", stopRequested: undefined }, { overtaken });
  });
  if (run.end === undefined) throw error;
  await run.settled;
}
