import { constants } from "node:os";

// signal(7): what glibc and musl both leave to programs. Docker and liblxc count from the same number.
export const SIGRTMIN = 34;
const SIGRTMAX = 64;

/**
 * The number of a signal as image-spec (config.md, StopSignal) and Docker write it: `SIGTERM`, `term`, `15`, `SIGRTMIN+3`.
 * `undefined` when there is no such signal.
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
