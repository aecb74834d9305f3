import { setTimeout } from "node:timers/promises";
import { type ProcessIdentity, readIfThereSync, signalProcess } from "@pileus/core/driver";

/**
 * How long to wait before asking a PID 1 again that is not ready for the signal, in milliseconds. Grows from the first
 * to the second number.
 */
const PAUSE = [10, 250] as const;

/**
 * Asks PID 1 to end. The kernel drops a signal to a PID 1 that has set up no handler for it yet (pid_namespaces(7)),
 * and sends no event when it has. So right after a start this repeats the request in the background until PID 1 is
 * ready or `signal` is aborted. It sends nothing afterwards.
 */
export async function askToHalt(
  init: ProcessIdentity,
  haltSignal: number,
  options: { readonly signal: AbortSignal },
): Promise<void> {
  for (let pause: number = PAUSE[0]; !options.signal.aborted; pause = Math.min(PAUSE[1], pause * 2)) {
    let isReady = false;
    // As late as possible: a PID 1 that gets ready after the look receives this signal, and would then get a second
    // one.
    const look = () => {
      options.signal.throwIfAborted();
      isReady = isReadyFor(init.pid, haltSignal);
    };
    // Sent in any case: an init that waits in sigtimedwait(2), as busybox does, never looks ready.
    if (!(await signalProcess(init, haltSignal, look)) || isReady) return;
    await setTimeout(pause, undefined, { signal: options.signal }).catch(() => undefined);
  }
}

/** Blocked (and so kept for signalfd(2), as systemd has it) or caught. proc_pid_status(5). */
function isReadyFor(pid: number, number: number): boolean {
  const status = readIfThereSync(`/proc/${pid}/status`) ?? "";
  const bit = 1n << BigInt(number - 1);
  const has = (mask: string, of = bit) =>
    (BigInt(`0x${new RegExp(`^${mask}:\\s*([0-9a-f]+)$`, "m").exec(status)?.[1] ?? "0"}`) & of) !== 0n;
  // All signals blocked at once, SIGSEGV too: about to fork, and not ready yet.
  const forking = has("SigBlk", 1n << 10n);
  return has("SigCgt") || (has("SigBlk") && !forking);
}
