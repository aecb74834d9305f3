import { readFileSync, writeFileSync } from "node:fs";

// proc_pid_oom_score_adj(5): the first is never chosen, the second is a program's default.
const SPARED = -1000;
const USUAL = 0;

/**
 * Keeps the kernel's OOM killer from this process: without the agent, no process could report the programs that it
 * kills. Does nothing if the process may not (CAP_SYS_RESOURCE).
 */
export function evadeOomKiller(proc = "/proc"): void {
  setScore(proc, SPARED);
}

/**
 * Calls `act`, which starts a program, with the default score: the program inherits the score and must not be spared.
 */
export function withUsualOomScore<T>(act: () => T, proc = "/proc"): T {
  if (readScore(proc) !== SPARED) return act();
  setScore(proc, USUAL);
  try {
    return act();
  } finally {
    setScore(proc, SPARED);
  }
}

function readScore(proc: string): number | undefined {
  try {
    return Number(readFileSync(file(proc), "latin1"));
  } catch {
    // The guest has unmounted /proc.
    return undefined;
  }
}

function setScore(proc: string, score: number): void {
  try {
    writeFileSync(file(proc), String(score));
  } catch {
    // /proc is unmounted, or the right is missing. The agent also works with another score.
  }
}

function file(proc: string): string {
  return `${proc}/self/oom_score_adj`;
}
