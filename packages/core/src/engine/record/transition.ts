import { StateError } from "../../errors/all.ts";
import { type InstanceState, TRANSITIONS } from "../../terms/state.ts";

/** @throws {StateError} when the contract has no such transition. Staying in a state is allowed. */
export function assertTransition(instance: string, from: InstanceState, to: InstanceState): void {
  if (from === to || TRANSITIONS[from].includes(to)) return;
  const expected = (Object.keys(TRANSITIONS) as InstanceState[]).filter((state) => TRANSITIONS[state].includes(to));
  throw new StateError({ instance, verb: `put into the state "${to}" the`, state: from, expected });
}
