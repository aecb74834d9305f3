import { constants } from "node:os";

/** The first of the real-time signals that are left to programs, and the last: signal(7), with glibc and musl alike. */
const [SIGRTMIN, SIGRTMAX] = [34, 64];

/** The name of a signal by its number: for one that has none in Node's list `SIGRTMIN+3`, as Docker writes it. */
export function signalName(number: number): NodeJS.Signals {
  const known = Object.entries(constants.signals).find(([, value]) => value === number);
  return (known?.[0] ?? unlisted(number)) as NodeJS.Signals;
}

function unlisted(number: number): string {
  if (number < SIGRTMIN || number > SIGRTMAX) return `SIG${number}`;
  return number === SIGRTMIN ? "SIGRTMIN" : `SIGRTMIN+${number - SIGRTMIN}`;
}
