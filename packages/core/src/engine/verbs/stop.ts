import type { StopOptions } from "../../contract/instance.ts";
import { abortable, Deadline } from "../../driver/deadline.ts";
import { parse } from "../../model/parse.ts";
import { StopOptionsSchema } from "../../model/verb-options.ts";
import type { ManagedInstance } from "../managed-instance.ts";
import type { Run } from "../run.ts";

/** How long a stop waits for an orderly end, in milliseconds, unless its caller says otherwise. */
export const STOP_TIMEOUT = 30_000;

/** Stops an instance. What was asked for goes on when the caller stops waiting. */
export async function stop(instance: ManagedInstance, options: StopOptions = {}): Promise<void> {
  options.signal?.throwIfAborted();
  const asked = { mode: options.mode ?? "ask", timeout: options.timeout ?? STOP_TIMEOUT };
  const { mode, timeout } = parse(StopOptionsSchema, asked, "stop options");
  const underway = stopInBackground(instance, mode, timeout);
  instance.stopping.add(underway);
  const forget = () => instance.stopping.delete(underway);
  void underway.then(forget, forget);
  return abortable(underway, options.signal);
}

async function stopInBackground(
  instance: ManagedInstance,
  mode: NonNullable<StopOptions["mode"]>,
  timeout: number,
): Promise<void> {
  const { closing } = instance.engine;
  const deadline = new Deadline({
    action: `stop of instance "${instance.name}"`,
    timeout: mode === "kill" ? Number.POSITIVE_INFINITY : timeout,
    signal: closing,
    hint: 'it runs on; stop it with { mode: "kill" }, or see in its logs what it waits for',
  });
  try {
    const begun = await beginStop(instance, mode === "ask" ? deadline.signal : closing);
    if (begun === undefined) return;
    const { run, joined } = begun;
    try {
      if (mode !== "kill") await askAndWait(run, joined, deadline.signal);
      else await killAndWait(run, closing);
    } catch (error) {
      if (run.end !== undefined) await abortable(run.settled, closing);
      else if (mode === "ask-then-kill" && !closing.aborted) await killAndWait(run, closing);
      else await giveUp(instance, run, error);
    } finally {
      run.stops--;
    }
  } finally {
    deadline[Symbol.dispose]();
  }
}

/** Marks the run as about to end; `undefined` when there is none. */
async function beginStop(
  instance: ManagedInstance,
  deadline: AbortSignal,
): Promise<{ readonly run: Run; readonly joined: boolean } | undefined> {
  return instance.exclusively("stop", { signal: deadline }, async (before, signal) => {
    const run = await instance.currentRun(before, signal);
    if (run === undefined) return undefined;
    const record = await instance.read("stop");
    // A frozen process takes no signal, and liblxc hangs on a frozen container.
    if (record.state === "frozen") await run.running.unfreeze?.({ signal });
    if (record.state !== "stopping") await instance.change(record, { state: "stopping", asked: true });
    const joined = run.stops > 0;
    run.stops++;
    return { run, joined };
  });
}

// Outside of the lock, so that a kill can overtake.
async function askAndWait(run: Run, joined: boolean, signal: AbortSignal): Promise<void> {
  // Its end counts even while the driver still asks.
  const asked = joined ? run.settled : run.running.shutdown({ signal }).then(() => run.settled);
  await abortable(Promise.race([asked, run.settled]), signal);
}

async function killAndWait(run: Run, closing: AbortSignal): Promise<void> {
  await run.running.kill();
  await abortable(run.settled, closing);
}

/**
 * The instance runs on: says so on record, unless another stop still waits for its end; then throws `error`. Returns if
 * it has ended after all. When the host is being disposed the record stays as it is, for whoever opens the root next.
 */
async function giveUp(instance: ManagedInstance, run: Run, error: unknown): Promise<void> {
  if (instance.engine.closing.aborted) throw error;
  await instance.locked({}, async () => {
    if (run.end !== undefined || run.stops > 1) return;
    const record = await instance.read("stop");
    if (record.run === run.id && record.state === "stopping")
      await instance.change(record, { state: "running", asked: undefined });
  });
  if (run.end === undefined) throw error;
  await run.settled;
}
