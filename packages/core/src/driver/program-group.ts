import { readdir, readFile } from "node:fs/promises";
import type { SignalName } from "../contract/state.ts";
import { parseSignal } from "../files/signal-name.ts";
import { identifyProcess, isAlive, type ProcessIdentity, signalProcess } from "../system/process-identity.ts";

/**
 * The process group of a program that is a child of this process and the leader of that group. Signals reach the whole
 * group, and after the program's end those of the group that live on.
 */
export class ProgramGroup {
  readonly #pid: number;
  readonly #leader: Promise<ProcessIdentity | undefined>;
  #left: Promise<readonly ProcessIdentity[]> | undefined;

  constructor(pid: number) {
    this.#pid = pid;
    this.#leader = identifyProcess(pid);
  }

  /** To be called as the program ends, before anything can take its number. */
  markEnded(): void {
    this.#left = findProcesses(({ group }) => group === this.#pid);
  }

  /** As {@link BackendProcess.kill} has it. */
  async kill(signal: SignalName): Promise<void> {
    if (this.#left !== undefined) {
      // While one of them lives, the number is still this group's.
      const alive = await Promise.all((await this.#left).map((identity) => isAlive(identity)));
      if (alive.includes(true)) signalGroup(this.#pid, signal);
      return;
    }
    // A kill takes along what the program started, in groups of their own too.
    const descendants = signal === "SIGKILL" ? await this.#descendants() : [];
    if (!signalGroup(this.#pid, signal)) {
      // Right after its fork, a program on a terminal leads no group yet.
      const leader = await this.#leader;
      if (leader !== undefined) await signalProcess(leader, parseSignal(signal) ?? 0);
    }
    for (const identity of descendants) await signalProcess(identity, "SIGKILL");
  }

  async #descendants(): Promise<readonly ProcessIdentity[]> {
    const found = new Set([this.#pid]);
    const all = await readProcesses();
    // What is added is looked at in its turn.
    for (const parent of found) for (const one of all) if (one.parent === parent) found.add(one.pid);
    found.delete(this.#pid);
    return findProcesses(({ pid }) => found.has(pid));
  }
}

/** proc_pid_stat(5): fields 1, 4 and 5. */
interface ProcessIds {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
}

async function readProcesses(): Promise<readonly ProcessIds[]> {
  const names = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const stats = await Promise.all(names.map((name) => readFile(`/proc/${name}/stat`, "latin1").catch(() => "")));
  return stats
    .filter((stat) => stat !== "")
    .map((stat) => {
      // The second field is a name in parentheses, which may hold anything.
      const [, parent = 0, group = 0] = stat
        .slice(stat.lastIndexOf(")") + 2)
        .split(" ")
        .map(Number);
      return { pid: Number.parseInt(stat, 10), parent, group };
    });
}

async function findProcesses(wanted: (ids: ProcessIds) => boolean): Promise<readonly ProcessIdentity[]> {
  const found = (await readProcesses()).filter(wanted);
  const identities = await Promise.all(found.map(({ pid }) => identifyProcess(pid)));
  return identities.filter((identity) => identity !== undefined);
}

/** False when there is no such group. */
function signalGroup(pid: number, signal: SignalName): boolean {
  try {
    return process.kill(-pid, parseSignal(signal) ?? 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    return false;
  }
}
