import type { Abortable } from "../../contract/abortable.ts";
import { StateError } from "../../contract/errors.ts";
import type { InstanceState } from "../../contract/state.ts";
import { joinFailures } from "../../driver/cleanup.ts";
import { withDeadline } from "../../driver/deadline.ts";
import { implemented } from "../implemented.ts";
import type { ManagedInstance } from "../managed-instance.ts";
import type { InstanceRecord } from "../record.ts";
import type { AnyRunning } from "../run.ts";
import { withRun } from "../with-run.ts";

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
  await instance.exclusively(verb, options, async (record, signal) => {
    // The record may have been written before the step was done, or not at all because the disk was full.
    if (record.state === to && (await isFrozen(instance, running)) === (to === "frozen")) return;
    if (!TOGGLED.includes(record.state) || instance.run?.running !== running)
      throw new StateError({ instance: instance.name, verb, state: record.state, expected: TOGGLED });
    const before =
      record.state === "running" && to === "frozen" ? instance.publishIntermediate(record, "freezing") : record;
    try {
      await implemented(running[verb], "freeze").call(running, { ...options, signal });
    } catch (error) {
      throw await recordActualState(instance, before, running, error);
    }
    try {
      await instance.change(before, { state: to });
    } catch (error) {
      // A frozen instance that is recorded as running would look like a hang.
      if (to === "frozen") await running.unfreeze?.({ signal: instance.engine.closing });
      throw error;
    }
  });
}

/** Records the actual state after a failure: an abort can come too late. Returns the error to throw. */
async function recordActualState(
  instance: ManagedInstance,
  record: InstanceRecord,
  running: AnyRunning,
  failure: unknown,
): Promise<unknown> {
  try {
    await instance.change(record, { state: (await isFrozen(instance, running)) ? "frozen" : "running" });
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
