import { constants } from "node:os";
import type { SignalName } from "../terms/state.ts";

/** The first and the last of the real-time signals for programs: signal(7), the same with glibc and musl. */
const [SIGRTMIN, SIGRTMAX] = [34, 64];

/** The name of a signal by its number. If Node's list has no name, it is counted as Docker does: `SIGRTMIN+3`. */
export function signalName(number: number): SignalName {
  const known = Object.entries(constants.signals).find(([, value]) => value === number);
  return (known?.[0] ?? unlisted(number)) as SignalName;
}

function unlisted(number: number): string {
  if (number < SIGRTMIN || number > SIGRTMAX) return `SIG${number}`;
  return number === SIGRTMIN ? "SIGRTMIN" : `SIGRTMIN+${number - SIGRTMIN}`;
}

/**
 * The number of a signal in the spelling of image-spec (config.md, StopSignal) and Docker: `SIGTERM`, `term`, `15`,
 * `SIGRTMIN+3`. `undefined` if there is no such signal.
 */
export function parseSignal(text: string): number | undefined {
  if (/^\d{1,2}$/.test(text)) return within(Number(text), 1);
  const name = text.toUpperCase().replace(/^(?:SIG)?/, "SIG");
  const realtime = /^SIGRT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(name);
  if (realtime === null) {
    return Object.hasOwn(constants.signals, name) ? constants.signals[name as NodeJS.Signals] : undefined;
  }
  const [, end, sign = "+", distance = "0"] = realtime;
  const offset = sign === "+" ? Number(distance) : -Number(distance);
  return within((end === "MIN" ? SIGRTMIN : SIGRTMAX) + offset, SIGRTMIN);
}

function within(number: number, lowest: number): number | undefined {
  return number >= lowest && number <= SIGRTMAX ? number : undefined;
}
