import { ConnectionError } from "@pileus/core";
import { type KeeperState, type ProcessIdentity, parseProcessStat, readIfThereSync } from "@pileus/core/driver";

/**
 * PID 1 of a container as a process of the host. It is another process after each reboot inside. Synchronous, so that
 * nothing else in this process can happen between reading the pid and using it.
 */
export class InitProcess {
  readonly #container: string;
  readonly #starter: ProcessIdentity;
  readonly #state: () => KeeperState;
  #known: ProcessIdentity | undefined;

  /** `state` is what the run's keeper says. */
  constructor(container: string, starter: ProcessIdentity, state: () => KeeperState) {
    this.#container = container;
    this.#starter = starter;
    this.#state = state;
  }

  /** @throws {ConnectionError} while there is none: at the end, or during a reboot. */
  current(): ProcessIdentity {
    const found = this.find();
    if (found !== undefined) return found;
    throw new ConnectionError(`container "${this.#container}"`, "its init has ended");
  }

  find(): ProcessIdentity | undefined {
    const { program, state } = this.#state();
    if (state !== "running" || program === 0) return undefined;
    if (this.#known !== undefined && this.#known.pid === program && this.#isOurs(this.#known)) return this.#known;
    const startTime = this.#startTime(program);
    this.#known = startTime === undefined ? undefined : { pid: program, startTime, boot: this.#starter.boot };
    return this.#known;
  }

  /** Whether the latest PID 1 ended with a reboot, so that its starter is about to start another. */
  isRebooting(): boolean {
    const { state, rebooting } = this.#state();
    return state === "down" && rebooting;
  }

  #isOurs({ pid, startTime }: ProcessIdentity): boolean {
    return this.#startTime(pid) === startTime;
  }

  /** Only for a live child of the starter: the pid may be another's by now. */
  #startTime(pid: number): number | undefined {
    const stat = readIfThereSync(`/proc/${pid}/stat`);
    const found = stat === undefined ? undefined : parseProcessStat(stat);
    if (found === undefined || "ZX".includes(found.state)) return undefined;
    return found.parent === this.#starter.pid ? found.startTime : undefined;
  }
}
