import type { Capability } from "../../contract/capability.ts";
import { StateError } from "../../errors/all.ts";
import type { Abortable } from "../../flow/abortable.ts";
import { abortable } from "../../flow/deadline.ts";
import type { InstanceState } from "../../terms/state.ts";
import { requireCapability } from "../instance/capability.ts";
import type { ManagedInstance } from "../instance/managed-instance.ts";
import type { InstanceRecord } from "../record/record.ts";
import type { Run } from "../run/run.ts";
import { currentRun } from "./current-run.ts";
import { stoppedError } from "./stopped-error.ts";

/** Options of {@link useRun}. */
export interface UseOptions extends Abortable {
  /** The capability that the verb needs, of the driver and of the instance now. */
  readonly capability?: Capability | undefined;
  /** Default: only `running`. */
  readonly expected?: readonly InstanceState[] | undefined;
}

/** The record and the run that a verb on a running instance uses. */
export interface UsedRun {
  readonly record: InstanceRecord;
  readonly run: Run;
}

/**
 * The record and the run for a verb on a running instance, in a state in which `verb` is legal.
 *
 * @throws {UnsupportedError} when the driver lacks `capability`, or the instance lacks it now. @throws {StateError}
 */
export async function useRun(instance: ManagedInstance, verb: string, options: UseOptions): Promise<UsedRun> {
  options.signal?.throwIfAborted();
  const { capability, expected = ["running"] } = options;
  const record = instance.record.read(verb);
  if (capability !== undefined) requireCapability(instance, capability);
  const held = instance.held.run;
  const usable = held?.id === record.run && held?.end === undefined && expected.includes(record.state);
  const run = usable ? held : await runUnderLock(instance, verb, expected, options);
  if (run === undefined) throw await stoppedError(instance, { verb, expected });
  if (capability !== undefined) requireCapability(instance, capability, run);
  return { record, run };
}

function runUnderLock(
  instance: ManagedInstance,
  verb: string,
  expected: readonly InstanceState[],
  options: Abortable,
): Promise<Run | undefined> {
  const looking = instance.lock.exclusively(verb, options, async (record, turn) => {
    const run = await currentRun(instance, record, turn);
    if (run === undefined) return undefined;
    const { state } = instance.record.read(verb);
    if (!expected.includes(state)) throw new StateError({ instance: instance.name, verb, state, expected });
    return run;
  });
  return abortable(looking, options.signal);
}
