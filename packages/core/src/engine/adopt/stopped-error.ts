import { StateError } from "../../errors/all.ts";
import type { InstanceState } from "../../terms/state.ts";
import type { ManagedInstance } from "../instance/managed-instance.ts";
import type { Run } from "../run/run.ts";
import { lastOutput } from "./last-output.ts";

/** What a verb wanted of an instance that has ended. */
export interface Refusal {
  readonly verb: string;
  readonly expected: readonly InstanceState[];
  /** The run that ended meanwhile, if the verb had one. Default: the last recorded run. */
  readonly run?: Run | undefined;
  /** The driver's error. */
  readonly cause?: unknown;
}

/**
 * The error for a verb on an instance that does not run. It says how the instance ended, and quotes its last output if
 * no caller asked for the end. @throws {StateError} when it was deleted
 */
export async function stoppedError(instance: ManagedInstance, refusal: Refusal): Promise<StateError> {
  const { verb, expected, run, cause } = refusal;
  const record = instance.record.read(verb);
  const exit = run === undefined ? record.exit : (run.exit ?? (await instance.held.exitOf(record, run)));
  const lastLines = exit === undefined || exit.reason === "requested" ? undefined : await lastOutput(instance);
  return new StateError({ instance: instance.name, verb, state: "stopped", expected, exit, lastLines }, { cause });
}
