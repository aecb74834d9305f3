import { setTimeout } from "node:timers/promises";
import { withDeadline } from "../flow/deadline.ts";
import type { Child } from "../system/child.ts";
import {
  endsWithin,
  identifyProcess,
  type ProcessIdentity,
  parseProcessStat,
  signalProcess,
} from "../system/process-identity.ts";
import { readIfThereSync } from "../system/read-if-there.ts";
import { findHolder } from "./holder.ts";
import { killBelow } from "./signals.ts";

/** How long a killed process may take to end, in milliseconds. */
const END_TIME = 5000;

/** How often to look whether a process has been stopped, in milliseconds: no event tells that to other than its parent. */
const LOOK_INTERVAL = 5;

/**
 * Ends what the start of a plain program has left without a keeper: the program, what that has started, and the holder.
 * Tells whether all of it has ended.
 */
export async function endGivenUp(run: string): Promise<boolean> {
  const holder = await findHolder(run);
  return holder === undefined || endWithPrograms(holder);
}

/**
 * Ends a keeper whose start was given up, and what it has started. It does so itself when it sees that; but one that is
 * stopped would go on with the start some day, and one that has just told of a start takes it for a run. `run`: the folder
 * of a plain program. `timeout`: how long the keeper may take to end by itself, and once more after its kill.
 */
export async function endStart(
  keeper: Pick<Child, "exit" | "kill">,
  run: string | undefined,
  timeout = END_TIME,
): Promise<void> {
  const action = "the end of a keeper";
  const untilEnd = () => withDeadline({ action, timeout }, () => keeper.exit).catch(() => undefined);
  if (run !== undefined) await endGivenUp(run);
  await untilEnd();
  if (!keeper.kill("SIGKILL")) return;
  await untilEnd();
  // It may have started its program after the first look.
  if (run !== undefined) await endGivenUp(run);
}

/** Ends a holder that is a fork of its keeper, and all that it has started. Tells whether all of it has ended. */
export async function endWithPrograms(holder: ProcessIdentity): Promise<boolean> {
  // It may be about to start the program, which would live on unseen.
  await signalProcess(holder, "SIGSTOP");
  const killed: ProcessIdentity[] = [];
  for (const end = performance.now() + END_TIME; ; await setTimeout(LOOK_INTERVAL)) {
    const wasStill = isStill(holder.pid);
    for (const pid of killBelow(holder)) killed.push((await identifyProcess(pid)) ?? holder);
    if (wasStill || performance.now() > end) break;
  }
  await signalProcess(holder, "SIGKILL");
  const ends = await Promise.all([holder, ...killed].map((each) => endsWithin(each, END_TIME)));
  return ends.every((hasEnded) => hasEnded);
}

/** Whether a process runs no code any more: it is stopped, or has ended. proc_pid_stat(5). */
function isStill(pid: number): boolean {
  const { state = "X" } = parseProcessStat(readIfThereSync(`/proc/${pid}/stat`) ?? "") ?? {};
  return ["T", "t", "Z", "X"].includes(state);
}
