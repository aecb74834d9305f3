import { readdirSync, readFileSync } from "node:fs";

/** A process by its ids: proc_pid_stat(5), fields 1 and 4 to 6. */
export interface ProcessIds {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
}

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

function readProcesses(): readonly ProcessIds[] {
  const names = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return names.flatMap((name) => {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "latin1");
      // The name of the program, in parentheses, can hold anything.
      const [state, parent, group, session] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (state === "Z" || state === "X") return [];
      return [{ pid: Number(name), parent: Number(parent), group: Number(group), session: Number(session) }];
    } catch {
      // It has ended meanwhile.
      return [];
    }
  });
}
