import { readFile } from "node:fs/promises";
import { constants } from "node:os";
import { setTimeout } from "node:timers/promises";
import { ConfigError } from "@pileus/core";
import { type ProcessIdentity, signalProcess } from "@pileus/core/driver";

/** How long PID 1 is left alone before it is asked once more, while it cannot hear: milliseconds, growing to the second. */
const PAUSE = [10, 250] as const;

/**
 * Asks PID 1 to end. The kernel drops a signal to a PID 1 that has not got ready for it (pid_namespaces(7)), and tells nobody when it
 * has: so right after a start this goes on asking in the background until it is ready, or `signal` is aborted.
 */
export async function askToHalt(
  init: ProcessIdentity,
  haltSignal: string,
  options: { readonly signal: AbortSignal },
): Promise<void> {
  const number = signalNumber(haltSignal);
  for (let pause: number = PAUSE[0]; !options.signal.aborted; pause = Math.min(PAUSE[1], pause * 2)) {
    const hears = await isReadyFor(init.pid, number);
    // Sent in any case: an init that waits in sigtimedwait(2), as busybox does, shows no readiness at all.
    if (!(await signalProcess(init, number)) || hears) return;
    await setTimeout(pause, undefined, { signal: options.signal }).catch(() => undefined);
  }
}

/** Blocked (and so kept for signalfd(2), as systemd has it) or caught. proc_pid_status(5). */
async function isReadyFor(pid: number, number: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/status`, "latin1").catch(() => "");
  const bit = 1n << BigInt(number - 1);
  const has = (mask: string, of = bit) =>
    (BigInt(`0x${new RegExp(`^${mask}:\\s*([0-9a-f]+)$`, "m").exec(status)?.[1] ?? "0"}`) & of) !== 0n;
  // All signals blocked at once, SIGSEGV too: about to fork, and not ready yet.
  const forking = has("SigBlk", 1n << 10n);
  return has("SigCgt") || (has("SigBlk") && !forking);
}

/** Linux keeps the first two real-time signals for threads (glibc's SIGRTMIN): signal(7). */
const SIGRTMIN = 34;

/** The number of `SIGTERM`, `TERM`, `SIGRTMIN+3`, `RTMAX-1` or `37`. @throws {ConfigError} */
export function signalNumber(name: string): number {
  const plain = name.toUpperCase().replace(/^SIG/, "");
  const relative = /^RT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(plain);
  const offset = Number(relative?.[3] ?? 0) * (relative?.[2] === "-" ? -1 : 1);
  const number =
    relative !== null
      ? (relative[1] === "MIN" ? SIGRTMIN : 64) + offset
      : /^\d+$/.test(plain)
        ? Number(plain)
        : constants.signals[`SIG${plain}` as NodeJS.Signals];
  if (number === undefined || number < 1 || number > 64) {
    throw new ConfigError("halt signal", [{ path: [], message: `"${name}" is no signal` }]);
  }
  return number;
}
