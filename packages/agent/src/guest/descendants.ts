import { type ProcessIds, readProcesses } from "./processes.ts";

/**
 * How often is looked again for what was started meanwhile: a program that forks faster than it is killed ends the
 * looking.
 */
const ROUNDS = 100;

/**
 * Kills a program that leads a session, and all that it started: what is in its session, what descends from that, and
 * the sessions that those began. A process that forked twice with a new session in between cannot be
 * found this way.
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

/** Pure: those of the processes that a session's leader began, itself among them. */
export function descendants(root: number, processes: readonly ProcessIds[]): readonly number[] {
  const known = new Set([root]);
  const found = new Set<number>();
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    for (const { pid, parent, group, session } of processes) {
      if (found.has(pid) || ![pid, parent, group, session].some((id) => known.has(id))) continue;
      found.add(pid);
      // A group or a session can outlive its leader, whose id nobody else gets meanwhile.
      for (const id of [pid, group, session]) known.add(id);
    }
  }
  return [...found];
}
