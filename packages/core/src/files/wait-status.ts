import type { ExitStatus } from "../terms/state.ts";
import { signalName } from "./signal-name.ts";

/** How a process ended, from its wait status: wait(2), WIFSIGNALED. Pure. */
export function waitStatus(status: number): ExitStatus {
  const signal = status & 0x7f;
  return signal === 0
    ? { kind: "exited", code: (status >> 8) & 0xff }
    : { kind: "signaled", signal: signalName(signal) };
}
