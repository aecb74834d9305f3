import { readFileSync, writeFileSync } from "node:fs";

// proc_pid_oom_score_adj(5): the first is never chosen, the second is a program's default.
const OOM_SCORE_ADJ_MIN = -1000;
const OOM_SCORE_ADJ_DEFAULT = 0;

/**
 * Keeps the kernel's OOM killer from this process: without the agent, no process could report the programs that it
 * kills. Does nothing if the process may not (CAP_SYS_RESOURCE).
 */
export function exemptFromOomKiller(proc = "/proc"): void {
  setScore(proc, OOM_SCORE_ADJ_MIN);
}

/**
 * Calls `act`, which starts a program, with the default score: the program inherits the score and must not be spared.
 */
export function withDefaultOomScore<T>(act: () => T, proc = "/proc"): T {
  if (readScore(proc) !== OOM_SCORE_ADJ_MIN) return act();
  setScore(proc, OOM_SCORE_ADJ_DEFAULT);
  try {
    return act();
  } finally {
    setScore(proc, OOM_SCORE_ADJ_MIN);
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
