import type { SystemCalls } from "./system-calls.ts";

/**
 * Sets the guest's clock to the host's `time`, in milliseconds since 1970: a guest that stood still did not see it
 * pass. Never back, which programs take worse than a clock that is a moment behind.
 */
export function advanceClock(time: number, calls: Pick<SystemCalls, "setClock">, now = Date.now): void {
  if (time > now()) calls.setClock(time);
}
