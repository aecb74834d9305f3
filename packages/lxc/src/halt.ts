import { readFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { type ProcessIdentity, signalProcess } from "@pileus/core/driver";

/** How long PID 1 is left alone before it is asked once more, while it cannot hear: milliseconds, growing to the second. */
const PAUSE = [10, 250] as const;

/**
 * Asks PID 1 to end. The kernel drops a signal to a PID 1 that has not got ready for it (pid_namespaces(7)), and tells nobody when it
 * has: so right after a start this goes on asking in the background until it is ready, or `signal` is aborted.
 */
export async function askToHalt(
  init: ProcessIdentity,
  haltSignal: number,
  options: { readonly signal: AbortSignal },
): Promise<void> {
  for (let pause: number = PAUSE[0]; !options.signal.aborted; pause = Math.min(PAUSE[1], pause * 2)) {
    const hears = await isReadyFor(init.pid, haltSignal);
    // Sent in any case: an init that waits in sigtimedwait(2), as busybox does, shows no readiness at all.
    if (!(await signalProcess(init, haltSignal)) || hears) return;
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
