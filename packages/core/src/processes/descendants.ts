import { type ProcessIds, readProcesses } from "./process-ids.ts";

/**
 * How many times to look for processes that were started meanwhile: the limit ends the search if a program forks faster
 * than it is killed.
 */
const ROUNDS = 100;

/**
 * Calls `kill` for a program, and for everything it started: the processes of the session that it leads, if it leads one,
 * their descendants, and the sessions that those began. A process that forked twice with a new session in between cannot be
 * found this way.
 */
export function killDescendants(
  root: number,
  kill: (one: ProcessIds) => void,
  read: () => readonly ProcessIds[] = readProcesses,
): void {
  const struck = new Set<number>();
  for (let round = 0; round < ROUNDS; round += 1) {
    // What a process started before its kill is found even if the process is gone by the next look.
    const found = descendants(root, read(), struck).filter(({ pid }) => !struck.has(pid));
    if (found.length === 0) return;
    for (const one of found) {
      struck.add(one.pid);
      kill(one);
    }
  }
}

/** A program, what it started, and what the processes with the ids `others` started. Pure. */
export function descendants(
  root: number,
  processes: readonly ProcessIds[],
  others: Iterable<number> = [],
): readonly ProcessIds[] {
  const known = new Set([root, ...others]);
  const leader = processes.find(({ pid }) => pid === root);
  // What it has just forked is still in the group and the session of whoever started it.
  const foreign = [leader?.group, leader?.session].filter((id) => id !== root);
  const found = new Set<ProcessIds>();
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    for (const one of processes) {
      const { pid, parent, group, session } = one;
      if (found.has(one) || ![pid, parent, group, session].some((id) => known.has(id))) continue;
      found.add(one);
      known.add(pid);
      // A group or a session can outlive its leader. No other process gets the leader's id while it lives.
      for (const id of [group, session]) if (!foreign.includes(id)) known.add(id);
    }
  }
  return [...found];
}
