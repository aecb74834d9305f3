import { StateError } from "../../errors/all.ts";
import type { Abortable } from "../../flow/abortable.ts";
import { abortable } from "../../flow/deadline.ts";
import type { InstanceExit } from "../../terms/state.ts";
import { currentRun } from "../adopt/current-run.ts";
import type { ManagedInstance } from "../instance/managed-instance.ts";

/** Waits for the end of the current run; while stopped, returns how the last one ended. */
export async function wait(instance: ManagedInstance, options: Abortable = {}): Promise<InstanceExit> {
  options.signal?.throwIfAborted();
  const run = await instance.lock.exclusively("wait for", options, (record, turn) =>
    currentRun(instance, record, turn),
  );
  if (run !== undefined) {
    await abortable(abortable(run.settled, instance.engine.closing), options.signal);
    if (run.exit !== undefined) return run.exit;
  }
  const { exit } = instance.record.read("wait for");
  if (exit !== undefined) return exit;
  const expected = ["running"] as const;
  throw new StateError({ instance: instance.name, verb: "wait for", state: "stopped", expected, neverRan: true });
}
