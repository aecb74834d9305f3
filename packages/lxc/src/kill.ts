import { setTimeout } from "node:timers/promises";
import { type ProcessIdentity, signalProcess } from "@pileus/core/driver";
import type { InitProcess } from "./init-process.ts";

/** What must be known about a container to kill it. */
export interface KillTarget {
  readonly monitor: { readonly identity: ProcessIdentity; readonly ended: Promise<unknown> } & {
    readonly init: Pick<InitProcess, "find" | "isRebooting">;
  };
  /**
   * Looks at an init that is about to be killed. Returns a function that is called after the kill and thaws a frozen
   * init, so that it can die.
   */
  thaw(init: ProcessIdentity): () => void;
  /** Kills what is left of the container in its cgroups, once the monitor is gone. */
  release(): Promise<void>;
}

/**
 * How long a monitor may take to log how its PID 1 ended and to clean up, in milliseconds. It usually takes twenty, on a
 * busy host a hundred times as long.
 */
export const FINISH_TIME = 5000;

/**
 * How often to check whether a killed container is gone, in milliseconds. Grows from the first to the second number.
 */
const PAUSE = [10, 250] as const;

/**
 * Kills a container. Resolves when the signal was sent, not when the container has ended. A container that reboots may
 * come back after it, because its PID 1 had already ended or had asked for the reboot. The returned function prevents
 * that: it kills each following PID 1, or the monitor that is about to start one, until the monitor is gone or `signal`
 * is aborted. It never rejects.
 */
export async function kill(target: KillTarget): Promise<(signal: AbortSignal) => Promise<void>> {
  const killOnce = killer(target);
  await killOnce();
  return async (signal) => {
    let gone = false;
    const ended = target.monitor.ended.then(() => {
      gone = true;
    });
    for (let pause: number = PAUSE[0]; ; pause = Math.min(PAUSE[1], pause * 2)) {
      const pausing = setTimeout(pause, undefined, { signal }).catch(() => undefined);
      await Promise.race([ended, pausing]);
      if (gone || signal.aborted) return;
      // A failure may pass, for example when the host has a free descriptor again.
      await killOnce().catch(() => undefined);
    }
  };
}

function killer({ monitor, thaw, release }: KillTarget): () => Promise<void> {
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
    finishing ??= performance.now() + FINISH_TIME;
    if (!monitor.init.isRebooting() && performance.now() < finishing) return;
    // A child that the monitor has just made does not die with it yet (start.c, do_start), and keeps its socket open,
    // which would hide its end.
    if (!(await signalProcess(monitor.identity, "SIGKILL"))) await release();
  };
}
