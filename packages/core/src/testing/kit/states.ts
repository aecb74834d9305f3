import type { InstanceEvent } from "../../contract/events.ts";
import type { AnyInstance } from "./fixture.ts";

/** Records the states that an instance goes through from now on. */
export function collectStates(instance: AnyInstance) {
  const states: string[] = [];
  const listen = (event: Extract<InstanceEvent, { type: "state" }>) => void states.push(event.state);
  instance.events.on("state", listen);
  return {
    /** Stops recording and returns the states so far. */
    async states(): Promise<string[]> {
      await new Promise((resolve) => setImmediate(resolve));
      instance.events.off("state", listen);
      return states;
    },
  };
}
