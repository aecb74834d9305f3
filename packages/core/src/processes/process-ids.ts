import { readdirSync, readFileSync } from "node:fs";

/** The ids and the start time of a process: proc_pid_stat(5), fields 1, 4 to 6 and 22. */
export interface ProcessIds {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** The start time in ticks since the boot. It distinguishes the process from a later one with the same id. */
  readonly started: number;
}

/** Every process that has not ended. */
export function readProcesses(): readonly ProcessIds[] {
  const names = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return names.flatMap((name) => readProcess(Number(name)) ?? []);
}

/** The process with this id; `undefined` when it has ended. */
export function readProcess(pid: number): ProcessIds | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return undefined;
  }
  // The name of the program, in parentheses, can contain any character.
  const [state, ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (state === "Z" || state === "X") return undefined;
  const [parent = 0, group = 0, session = 0] = fields.map(Number);
  return { pid, parent, group, session, started: Number(fields[18]) };
}
