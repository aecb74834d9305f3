import { setTimeout } from "node:timers/promises";
import { type ProcessIdentity, signalProcess } from "@pileus/core/driver";
import type { InitProcess } from "./init-process.ts";
import type { Monitor } from "./monitor.ts";

/** What of a container is killed. */
export interface KillTarget {
  readonly monitor: Pick<Monitor, "identity" | "ended"> & { readonly init: Pick<InitProcess, "find" | "isRebooting"> };
  /** Looks at an init that is about to be killed; what it returns is called once it was, and lets it die where it stands still. */
  thaw(init: ProcessIdentity): () => void;
  /** Ends what is left of it in its cgroups, once the monitor is gone. */
  release(): Promise<void>;
}

/** Milliseconds that a monitor gets to write down how its PID 1 ended and to clean up. It mostly takes twenty. */
export const FINISH = 2000;

/** How soon it is looked whether a container that was killed is gone: milliseconds, growing to the second number. */
const PAUSE = [10, 250] as const;

/**
 * Ends a container by force; resolves when told, not when ended. One that reboots may come back in spite of it: PID 1 had ended already,
 * or had asked for the reboot. What is returned makes sure that it does not: it kills whatever PID 1 follows, or the monitor that is
 * about to start one, until the monitor is gone or `signal` is aborted. It never rejects.
 */
export async function kill(target: KillTarget): Promise<(signal: AbortSignal) => Promise<void>> {
  const strike = striker(target);
  await strike();
  return async (signal) => {
    let gone = false;
    const ended = target.monitor.ended.then(() => {
      gone = true;
    });
    for (let pause: number = PAUSE[0]; ; pause = Math.min(PAUSE[1], pause * 2)) {
      const pausing = setTimeout(pause, undefined, { signal }).catch(() => undefined);
      await Promise.race([ended, pausing]);
      if (gone || signal.aborted) return;
      // What this host cannot do now, for want of a descriptor, say, it can the next time.
      await strike().catch(() => undefined);
    }
  };
}

function striker({ monitor, thaw, release }: KillTarget): () => Promise<void> {
  let finishing: number | undefined;
  return async () => {
    const init = monitor.init.find();
    if (init !== undefined) {
      finishing = undefined;
      const sent = thaw(init);
      // Its whole pid namespace dies with it.
      await signalProcess(init, "SIGKILL");
      sent();
      return;
    }
    finishing ??= performance.now() + FINISH;
    if (!monitor.init.isRebooting() && performance.now() < finishing) return;
    // A child that it had just made does not die with it yet (start.c, do_start), and holds its socket open: its end would not be seen.
    if (!(await signalProcess(monitor.identity, "SIGKILL"))) await release();
  };
}
