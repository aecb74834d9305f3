import { StateError } from "../../errors/all.ts";
import type { Abortable } from "../../flow/abortable.ts";
import { joinFailures } from "../../flow/cleanup.ts";
import { withDeadline } from "../../flow/deadline.ts";
import type { InstanceState } from "../../terms/state.ts";
import { withRun } from "../adopt/with-run.ts";
import type { ManagedInstance } from "../instance/managed-instance.ts";
import type { InstanceRecord } from "../record/record.ts";
import { implemented } from "../run/implemented.ts";
import type { AnyRunning } from "../run/run.ts";

/** Milliseconds for a driver to say, after a failure, whether the instance is frozen. */
const ANSWER = 5000;

const TOGGLED: readonly InstanceState[] = ["running", "frozen"];

/** `running` → `frozen`; a no-op while frozen. */
export function freeze(instance: ManagedInstance, options: Abortable = {}): Promise<void> {
  return toggle(instance, "freeze", options);
}

/** `frozen` → `running`; a no-op while running. */
export function unfreeze(instance: ManagedInstance, options: Abortable = {}): Promise<void> {
  return toggle(instance, "unfreeze", options);
}

type Toggle = "freeze" | "unfreeze";

function toggle(instance: ManagedInstance, verb: Toggle, options: Abortable): Promise<void> {
  const use = { ...options, capability: "freeze", expected: TOGGLED } as const;
  return withRun(instance, verb, use, ({ run: { running } }) => turn(instance, running, verb, options));
}

async function turn(instance: ManagedInstance, running: AnyRunning, verb: Toggle, options: Abortable): Promise<void> {
  const to = verb === "freeze" ? "frozen" : "running";
  await instance.lock.exclusively(verb, options, async (record, { signal, overtaken }) => {
    // The record may have been written before the step was done, or not at all because the disk was full.
    if (record.state === to && (await isFrozen(instance, running)) === (to === "frozen")) return;
    if (!TOGGLED.includes(record.state) || instance.held.run?.running !== running)
      throw new StateError({ instance: instance.name, verb, state: record.state, expected: TOGGLED });
    const before =
      record.state === "running" && to === "frozen" ? instance.record.publishIntermediate(record, "freezing") : record;
    try {
      await implemented(running[verb], "freeze").call(running, { ...options, signal });
    } catch (error) {
      if (overtaken.aborted) {
        instance.record.announce(record);
        throw error;
      }
      throw await recordActualState(instance, before, running, { failure: error, overtaken });
    }
    try {
      await instance.record.change(before, { state: to }, { overtaken });
    } catch (error) {
      // A frozen instance that is recorded as running would look like a hang.
      if (to === "frozen" && !overtaken.aborted) await running.unfreeze?.({ signal: instance.engine.closing });
      throw error;
    }
  });
}

/** Records the actual state after a failure: an abort can come too late. Returns the error to throw. */
async function recordActualState(
  instance: ManagedInstance,
  record: InstanceRecord,
  running: AnyRunning,
  { failure, overtaken }: { readonly failure: unknown; readonly overtaken: AbortSignal },
): Promise<unknown> {
  try {
    const state = (await isFrozen(instance, running)) ? "frozen" : "running";
    await instance.record.change(record, { state }, { overtaken });
    return failure;
  } catch (error) {
    return joinFailures([failure, error]);
  }
}

async function isFrozen(instance: ManagedInstance, running: AnyRunning): Promise<boolean> {
  const deadline = {
    action: `checking whether instance "${instance.name}" is frozen`,
    timeout: ANSWER,
    signal: instance.engine.closing,
  };
  return (await withDeadline(deadline, async (look) => running.isFrozen?.({ signal: look }))) === true;
}
