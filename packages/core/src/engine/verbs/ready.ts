import { TimeoutError } from "../../errors/all.ts";
import type { Abortable, Timed } from "../../flow/abortable.ts";
import { abortable, Deadline, type DeadlineOptions, linkSignals } from "../../flow/deadline.ts";
import { parse } from "../../model/parse.ts";
import { ReadyOptionsSchema } from "../../model/verb-options.ts";
import { lastOutput } from "../adopt/last-output.ts";
import { stoppedError } from "../adopt/stopped-error.ts";
import { useRun } from "../adopt/use-run.ts";
import type { ManagedInstance } from "../instance/managed-instance.ts";

/** Waits until the instance can be used. */
export async function ready(instance: ManagedInstance, options: Abortable & Timed = {}): Promise<void> {
  const { timeout } = parse(ReadyOptionsSchema, options, "options of ready");
  const action = `waiting for instance "${instance.name}" to be ready`;
  const limits = { action, timeout, signal: options.signal };
  await explained(instance, limits, (signal) => untilReady(instance, signal));
}

/**
 * Does `work` under a deadline. The error of a deadline that passed quotes what the instance printed last, which tells
 * why it is not ready: a failed mount, a kernel's panic, a missing library.
 */
export async function explained(
  instance: ManagedInstance,
  limits: DeadlineOptions,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  using deadline = new Deadline(limits);
  try {
    await abortable(work(deadline.signal), deadline.signal);
  } catch (error) {
    if (!deadline.hasPassed) throw error;
    const lastLines = await lastOutput(instance);
    throw new TimeoutError(limits.action, limits.timeout, { lastLines });
  }
}

/** Waits until the driver calls the instance ready. @throws {StateError} when the instance ends meanwhile */
export async function untilReady(instance: ManagedInstance, signal: AbortSignal): Promise<void> {
  const { run } = await useRun(instance, "wait for", { signal });
  using waiting = linkSignals(signal, instance.engine.closing);
  const ended = run.settled.then(async () => {
    throw await stoppedError(instance, { verb: "wait for", expected: ["running"], run });
  });
  // When the instance ends, the driver's own failure says less than that end.
  const up = run.running
    .ready?.({ signal: waiting.signal })
    ?.catch((error) => (run.end === undefined ? Promise.reject(error) : ended));
  try {
    await abortable(Promise.race([up, ended]), waiting.signal);
  } finally {
    // The driver may still be waiting in vain.
    waiting.abort();
  }
}
