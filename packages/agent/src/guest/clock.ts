import type { SystemCalls } from "./system-calls.ts";

/**
 * Sets the guest's clock to the host's `time`, in milliseconds since 1970: a frozen guest did not see time pass. Never
 * sets it back: programs tolerate that less than a clock that is slightly behind.
 */
export function advanceClock(time: number, calls: Pick<SystemCalls, "setClock">, now = Date.now): void {
  if (time > now()) calls.setClock(time);
}
