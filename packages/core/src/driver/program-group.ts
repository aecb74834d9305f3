import { parseSignal } from "../files/signal-name.ts";
import { killDescendants } from "../processes/descendants.ts";
import { LeftGroup } from "../processes/left-group.ts";
import { type ProcessIds, readProcess } from "../processes/process-ids.ts";
import type { SignalName } from "../terms/state.ts";

/**
 * The process group of a program that is a child of this process and the leader of that group and of its session.
 * Signals reach the whole group, and after the program's end those of the group that live on.
 */
export class ProgramGroup {
  readonly #pid: number;
  /** Read at once: a program on a terminal can be reaped before its end is reported. */
  readonly #leader: ProcessIds | undefined;
  #ended = false;
  #left: LeftGroup | undefined;

  constructor(pid: number) {
    this.#pid = pid;
    this.#leader = readProcess(pid);
  }

  /** To be called as soon as the program's end is known. */
  markEnded(): void {
    this.#ended = true;
    this.#left = LeftGroup.find(this.#pid);
  }

  /** As {@link BackendProcess.kill} has it. */
  async kill(name: SignalName): Promise<void> {
    const signal = parseSignal(name) ?? 0;
    if (this.#ended) {
      if (this.#left?.isAlive()) send(-this.#pid, signal);
    } else if (name === "SIGKILL") {
      // A kill takes along what the program started, in groups of their own too.
      killDescendants(this.#pid, (one) => sendTo(one, signal));
    } else if (!send(-this.#pid, signal) && this.#leader !== undefined) {
      // Right after its fork, a program on a terminal leads no group yet.
      sendTo(this.#leader, signal);
    }
  }
}

/** Signals that very process, unless it has ended. */
function sendTo(one: ProcessIds, signal: number): void {
  if (readProcess(one.pid)?.started === one.started) send(one.pid, signal);
}

/** False when there is no such process or group. */
function send(target: number, signal: number): boolean {
  try {
    return process.kill(target, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    return false;
  }
}
