import { constants } from "node:os";
import { killDescendants } from "../processes/descendants.ts";
import { type ProcessIds, readProcess } from "../processes/process-ids.ts";
import { type ProcessIdentity, signalProcess } from "../system/process-identity.ts";
import { readHeldRun } from "./held-run.ts";

const { SIGKILL, SIGSTOP } = constants.signals;

// signal(7): the C library keeps these two for itself. packages/lxc/helper/detached-holder.c.
const STANDS_FOR: Readonly<Record<number, number>> = { [SIGKILL]: 32, [SIGSTOP]: 33 };

/** `Held.signal` for holders that pass signals on. */
export async function signalByHolder(holder: ProcessIdentity, signal: number): Promise<void> {
  await signalProcess(holder, STANDS_FOR[signal] ?? signal);
}

/**
 * `Held.signal` for holders that are forks of their keepers, and so the parents of the programs: to the program's group. A
 * kill goes to everything that it has started, which the holder inherits (prctl(2), PR_SET_CHILD_SUBREAPER).
 */
export async function signalChild(holder: ProcessIdentity, signal: number, folder: string): Promise<void> {
  if (signal === SIGKILL) {
    killBelow(holder);
    return;
  }
  const child = readProcess((await readHeldRun(folder))?.program ?? 0);
  // While its parent lives, the leader of a group keeps the group's number from being reused.
  if (child?.parent === holder.pid) send(child, -child.pid, signal);
}

/** Kills all that a holder has started, but not the holder. Returns the pids of what was killed. */
export function killBelow(holder: ProcessIdentity): readonly number[] {
  const killed: number[] = [];
  killDescendants(holder.pid, (one) => {
    if (one.pid === holder.pid) return;
    send(one, one.pid, SIGKILL);
    killed.push(one.pid);
  });
  return killed;
}

/** Signals that very process or its group, unless it has ended. */
function send({ pid, started }: ProcessIds, target: number, signal: number): void {
  if (readProcess(pid)?.started !== started) return;
  try {
    process.kill(target, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
