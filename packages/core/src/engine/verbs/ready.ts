import type { Abortable, Timed } from "../../contract/abortable.ts";
import { TimeoutError } from "../../contract/errors.ts";
import { abortable, Deadline, linkSignals } from "../../driver/deadline.ts";
import { parse } from "../../model/parse.ts";
import { ReadyOptionsSchema } from "../../model/verb-options.ts";
import { lastOutput } from "../last-output.ts";
import type { ManagedInstance } from "../managed-instance.ts";
import { stoppedError } from "../stopped-error.ts";

/** Waits until the instance can be used. */
export async function ready(instance: ManagedInstance, options: Abortable & Timed = {}): Promise<void> {
  const { timeout } = parse(ReadyOptionsSchema, options, "options of ready");
  const action = `waiting for instance "${instance.name}" to be ready`;
  using deadline = new Deadline({ action, timeout, signal: options.signal });
  try {
    await abortable(untilReady(instance, deadline.signal), deadline.signal);
  } catch (error) {
    if (!deadline.hasPassed) throw error;
    // What it printed tells why it is not ready: a failed mount, a kernel's panic, a missing library.
    const lastLines = await lastOutput(instance, instance.read("wait for"));
    throw new TimeoutError(action, timeout, { lastLines });
  }
}

async function untilReady(instance: ManagedInstance, signal: AbortSignal): Promise<void> {
  const { run } = await instance.use("wait for", { signal });
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
