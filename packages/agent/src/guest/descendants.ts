import { type ProcessIds, readProcesses } from "./processes.ts";

/**
 * How many times to look for processes that were started meanwhile: the limit ends the search if a program forks faster
 * than it is killed.
 */
const ROUNDS = 100;

/**
 * Kills a program that leads a session, and everything it started: the processes of its session, their descendants, and
 * the sessions that those began. A process that forked twice with a new session in between cannot be found this way.
 */
export function killDescendants(
  root: number,
  kill: (pid: number) => void,
  read: () => readonly ProcessIds[] = readProcesses,
): void {
  const struck = new Set<number>();
  for (let round = 0; round < ROUNDS; round += 1) {
    const found = descendants(root, read()).filter((pid) => !struck.has(pid));
    if (found.length === 0) return;
    for (const pid of found) {
      struck.add(pid);
      kill(pid);
    }
  }
}

/** The processes that a session's leader started, including the leader. Pure. */
export function descendants(root: number, processes: readonly ProcessIds[]): readonly number[] {
  const known = new Set([root]);
  const found = new Set<number>();
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    for (const { pid, parent, group, session } of processes) {
      if (found.has(pid) || ![pid, parent, group, session].some((id) => known.has(id))) continue;
      found.add(pid);
      // A group or a session can outlive its leader. No other process gets the leader's id while it lives.
      for (const id of [pid, group, session]) known.add(id);
    }
  }
  return [...found];
}
