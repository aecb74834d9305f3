import { setTimeout } from "node:timers/promises";
import type { Abortable } from "../contract/abortable.ts";
import { isInstanceError } from "../contract/errors.ts";
import { abortable, linkSignals } from "../driver/deadline.ts";
import type { ManagedInstance, UseOptions } from "./managed-instance.ts";
import type { InstanceRecord } from "./record.ts";
import type { Run } from "./run.ts";
import { stoppedError } from "./stopped-error.ts";

/**
 * Milliseconds that the end of an instance may follow on the loss of what is inside: a guest ends its agent before it
 * switches itself off, and a container's init is dead before all of the container is.
 */
const PATIENCE = 2000;

/** What a verb on a running instance works with. */
export interface UsedRun {
  readonly record: InstanceRecord;
  readonly run: Run;
}

/**
 * Does `work` with the run under way, see {@link ManagedInstance.use}. A failure of it that came of the instance's end
 * is told as that, whatever the driver met with first.
 *
 * @throws {StateError} when the instance does not run, or ended meanwhile
 */
export async function withRun<T>(
  instance: ManagedInstance,
  verb: string,
  options: UseOptions,
  work: (used: UsedRun) => Promise<T>,
): Promise<T> {
  const used = await instance.use(verb, options);
  try {
    return await work(used);
  } catch (cause) {
    options.signal?.throwIfAborted();
    const { run } = used;
    if (!(await hasEnded(run, cause, options))) throw cause;
    throw await stoppedError(instance, { verb, expected: options.expected ?? ["running"], run, cause });
  }
}

/** Whether the run is over, or about to be where a peer inside was lost. */
async function hasEnded(run: Run, failure: unknown, { signal }: Abortable): Promise<boolean> {
  if (!run.over.aborted && isInstanceError(failure, "ERR_CONNECTION")) {
    using waiting = linkSignals(signal, run.over);
    await abortable(setTimeout(PATIENCE, undefined, { signal: waiting.signal }), signal).catch(() => undefined);
    signal?.throwIfAborted();
  }
  if (!run.over.aborted) return false;
  // By then it is known how, too.
  await run.running.exited.catch(() => undefined);
  return true;
}
