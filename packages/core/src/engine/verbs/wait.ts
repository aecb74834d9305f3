import type { Abortable } from "../../contract/abortable.ts";
import { StateError } from "../../contract/errors.ts";
import type { InstanceExit } from "../../contract/state.ts";
import { abortable } from "../../driver/deadline.ts";
import type { ManagedInstance } from "../managed-instance.ts";

/** Waits for the end of the current run; while stopped, returns how the last one ended. */
export async function wait(instance: ManagedInstance, options: Abortable = {}): Promise<InstanceExit> {
  options.signal?.throwIfAborted();
  const run = await instance.exclusively("wait for", options, (record, signal) => instance.currentRun(record, signal));
  if (run !== undefined) {
    await abortable(abortable(run.settled, instance.engine.closing), options.signal);
    if (run.exit !== undefined) return run.exit;
  }
  const { exit } = instance.read("wait for");
  if (exit !== undefined) return exit;
  throw new StateError({ instance: instance.name, verb: "wait for", state: "stopped", expected: ["running"] });
}
