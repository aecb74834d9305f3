import type { Abortable } from "../../contract/abortable.ts";
import { StateError } from "../../contract/errors.ts";
import type { InstanceState } from "../../contract/state.ts";
import { joinFailures } from "../../driver/cleanup.ts";
import { withDeadline } from "../../driver/deadline.ts";
import { implemented } from "../implemented.ts";
import type { ManagedInstance } from "../managed-instance.ts";
import type { InstanceRecord } from "../record.ts";
import type { AnyRunning } from "../run.ts";

/** Milliseconds for a driver to say, after a failure, whether the instance is frozen. */
const ANSWER = 5000;

/** `running` → `frozen`; a no-op while frozen. */
export function freeze(instance: ManagedInstance, options: Abortable = {}): Promise<void> {
  return toggle(instance, "freeze", options);
}

/** `frozen` → `running`; a no-op while running. */
export function unfreeze(instance: ManagedInstance, options: Abortable = {}): Promise<void> {
  return toggle(instance, "unfreeze", options);
}

async function toggle(instance: ManagedInstance, verb: "freeze" | "unfreeze", options: Abortable): Promise<void> {
  const [from, to] = verb === "freeze" ? (["running", "frozen"] as const) : (["frozen", "running"] as const);
  const expected: InstanceState[] = ["running", "frozen"];
  const {
    run: { running },
  } = await instance.use(verb, { ...options, capability: "freeze", expected });
  await instance.exclusively(verb, options, async (record, signal) => {
    if (record.state === to) return;
    if (record.state !== from || instance.run?.running !== running)
      throw new StateError({ instance: instance.name, verb, state: record.state, expected });
    const before = verb === "freeze" ? instance.passThrough(record, "freezing") : record;
    try {
      await implemented(running[verb], "freeze").call(running, { ...options, signal });
    } catch (error) {
      throw await recordAsItIs(instance, before, running, error);
    }
    await instance.change(before, { state: to });
  });
}

/** It may have been done all the same: an abort can come too late. Returns what to throw. */
async function recordAsItIs(
  instance: ManagedInstance,
  record: InstanceRecord,
  running: AnyRunning,
  failure: unknown,
): Promise<unknown> {
  try {
    const deadline = {
      action: `a look at instance "${instance.name}"`,
      timeout: ANSWER,
      signal: instance.engine.closing,
    };
    const frozen = await withDeadline(deadline, async (signal) => running.isFrozen?.({ signal }));
    await instance.change(record, { state: frozen ? "frozen" : "running" });
    return failure;
  } catch (error) {
    return joinFailures([failure, error]);
  }
}
