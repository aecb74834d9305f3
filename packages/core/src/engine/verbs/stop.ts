import type { StopOptions } from "../../contract/instance.ts";
import { abortable, abortableWithin, Deadline } from "../../driver/deadline.ts";
import { parse } from "../../model/parse.ts";
import { StopOptionsSchema } from "../../model/verb-options.ts";
import { track } from "../engine.ts";
import type { ManagedInstance } from "../managed-instance.ts";
import type { Run } from "../run.ts";
import { isStopUnderWay, killAhead, markStop } from "../stop-mark.ts";

/**
 * Milliseconds beyond its deadline that a stop has to begin: what began at the last moment is undone in order, and one
 * that will kill is not kept from it.
 */
const PATIENCE = 800;

/** Stops an instance. What was asked for goes on when the caller stops waiting. */
export async function stop(instance: ManagedInstance, options: StopOptions = {}): Promise<void> {
  const { mode, timeout } = parse(StopOptionsSchema, options, "options of stop");
  options.signal?.throwIfAborted();
  return abortable(track(instance.engine, stopInBackground(instance, mode, timeout)), options.signal);
}

async function stopInBackground(
  instance: ManagedInstance,
  mode: NonNullable<StopOptions["mode"]>,
  timeout: number,
): Promise<void> {
  const { closing } = instance.engine;
  // What is refused ends nothing.
  instance.read("stop");
  const mark = mode === "kill" ? await killAhead(instance) : undefined;
  const deadline = new Deadline({
    action: `stop of instance "${instance.name}"`,
    timeout: mode === "kill" ? Number.POSITIVE_INFINITY : timeout,
    signal: closing,
    hint: 'it runs on; stop it with { mode: "kill" }, or see in its logs what it waits for',
  });
  const turn = new Deadline({
    action: `a turn to stop instance "${instance.name}"`,
    timeout: mode === "kill" ? Number.POSITIVE_INFINITY : mode === "ask" ? timeout : timeout + PATIENCE,
    signal: closing,
    hint: "another call has been at work on it meanwhile, here or in another process",
  });
  try {
    const begin = beginStop(instance, mode, turn.signal, mark);
    const begun = await abortableWithin(begin, turn.signal, PATIENCE).catch((error) => {
      // The stop may begin all the same, without a caller that waits for the end.
      const late = begin.then(async (stop) => stop && giveUp(instance, stop, error));
      track(instance.engine, late).catch(() => undefined);
      throw error;
    });
    if (begun === undefined) return;
    const { run, joined, unmark } = begun;
    try {
      if (mode !== "kill") await askAndWait(run, joined, deadline.signal);
      else await killAndWait(run, closing);
    } catch (error) {
      if (run.end !== undefined) await abortable(run.settled, closing);
      else if (mode === "ask-then-kill" && !closing.aborted) await killAndWait(run, closing);
      // Killed by another call meanwhile: nobody is there to be asked, and the end is on its way.
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
  /** Another stop, in whatever process, has asked already. */
  readonly joined: boolean;
  /** See {@link markStop}. */
  readonly unmark: () => Promise<void>;
}

/** Marks the run as about to end; `undefined` when there is none. */
async function beginStop(
  instance: ManagedInstance,
  mode: NonNullable<StopOptions["mode"]>,
  turn: AbortSignal,
  mark: (() => Promise<void>) | undefined,
): Promise<BegunStop | undefined> {
  return instance.exclusively("stop", { signal: turn }, async (before, signal) => {
    const run = await instance.currentRun(before, signal);
    if (run === undefined) return undefined;
    const record = instance.read("stop");
    // A frozen process takes no signal, and liblxc hangs on a frozen container. A kill needs no
    // thaw.
    if (record.state === "frozen" && mode !== "kill") await run.running.unfreeze?.({ signal });
    // Nobody waits any more for what this stop would begin.
    signal.throwIfAborted();
    const joined = record.state === "stopping";
    if (!joined) await instance.change(record, { state: "stopping", asked: true });
    return { run, joined, unmark: mark ?? (await markStop(instance)) };
  });
}

// Outside of the lock, so that a kill can overtake.
async function askAndWait(run: Run, joined: boolean, signal: AbortSignal): Promise<void> {
  // Its end counts even while the driver still asks.
  const asked = joined ? run.settled : run.running.shutdown({ signal }).then(() => run.settled);
  await abortable(Promise.race([asked, run.settled]), signal);
}

async function killAndWait(run: Run, closing: AbortSignal): Promise<void> {
  await abortable(run.running.kill(), closing);
  await abortable(run.settled, closing);
}

/**
 * The instance runs on: says so on record, unless another stop still waits for its end; then throws `error`. Returns if
 * it has ended after all. When the host is being disposed the record stays as it is, for whoever opens the root next.
 */
async function giveUp(instance: ManagedInstance, { run, unmark }: BegunStop, error: unknown): Promise<void> {
  if (instance.engine.closing.aborted) throw error;
  await instance.locked({}, async () => {
    await unmark();
    // This process cannot vouch for a run that it lost: the next call that looks finds a stop without a waiter.
    if (run.end !== undefined || instance.run !== run || (await isStopUnderWay(instance))) return;
    const record = instance.read("stop");
    if (record.run === run.id && record.state === "stopping")
      await instance.change(record, { state: "running", asked: undefined });
  });
  if (run.end === undefined) throw error;
  await run.settled;
}
