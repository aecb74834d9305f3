import { setTimeout } from "node:timers/promises";
import { isInstanceError } from "../../errors/all.ts";
import type { Abortable } from "../../flow/abortable.ts";
import { abortable, linkSignals } from "../../flow/deadline.ts";
import type { ManagedInstance } from "../instance/managed-instance.ts";
import type { Run } from "../run/run.ts";
import { stoppedError } from "./stopped-error.ts";
import { type UsedRun, type UseOptions, useRun } from "./use-run.ts";

/**
 * Milliseconds to wait for the end of an instance after the connection to its inside was lost: a guest ends its agent
 * before it powers off, and a container's init dies before the rest of the container.
 */
const END_TIMEOUT = 2000;
/** The same, if the driver knows that the instance is ending. */
const KNOWN_END_TIMEOUT = 60_000;

/**
 * Does `work` with the current run: see {@link useRun}. If `work` failed because the instance ended, the
 * error says so, whatever error the driver met first.
 *
 * @throws {StateError} when the instance does not run, or ended meanwhile
 */
export async function withRun<T>(
  instance: ManagedInstance,
  verb: string,
  options: UseOptions,
  work: (used: UsedRun) => Promise<T>,
): Promise<T> {
  const used = await useRun(instance, verb, options);
  try {
    return await work(used);
  } catch (cause) {
    options.signal?.throwIfAborted();
    throw await whyFailed(instance, verb, used.run, options, cause);
  }
}

/** The error of something that failed with `cause` during a run: if the run has ended, a {@link StateError} that says so. */
export async function whyFailed(
  instance: ManagedInstance,
  verb: string,
  run: Run,
  options: UseOptions,
  cause: unknown,
): Promise<unknown> {
  if (!(await hasEnded(run, cause, options))) return cause;
  return await stoppedError(instance, { verb, expected: options.expected ?? ["running"], run, cause });
}

/** Whether the run has ended, or ends soon after the connection to a peer inside was lost. */
async function hasEnded(run: Run, failure: unknown, { signal }: Abortable): Promise<boolean> {
  if (!run.over.aborted && isInstanceError(failure, "ERR_CONNECTION")) {
    using waiting = linkSignals(signal, run.over);
    const timeout = run.running.isEnding?.() ? KNOWN_END_TIMEOUT : END_TIMEOUT;
    await abortable(setTimeout(timeout, undefined, { signal: waiting.signal }), signal).catch(() => undefined);
    signal?.throwIfAborted();
  }
  if (!run.over.aborted) return false;
  // Then the exit is known too.
  await run.running.exited.catch(() => undefined);
  return true;
}
