import { ConnectionError } from "@pileus/core";
import { type ProcessIdentity, parseProcessStat, readIfThereSync } from "@pileus/core/driver";
import { readMonitorLog } from "./read-monitor-log.ts";

/**
 * PID 1 of a container as a process of the host. It is another process after each reboot inside. Synchronous, so that
 * nothing else in this process can happen between reading the pid and using it.
 */
export class InitProcess {
  readonly #container: string;
  readonly #log: string;
  readonly #monitor: ProcessIdentity;
  #known: ProcessIdentity | undefined;

  constructor(container: string, log: string, monitor: ProcessIdentity) {
    this.#container = container;
    this.#log = log;
    this.#monitor = monitor;
  }

  /** @throws {ConnectionError} while there is none: at the end, or during a reboot. */
  current(): ProcessIdentity {
    const found = this.find();
    if (found !== undefined) return found;
    throw new ConnectionError(`container "${this.#container}"`, "its init has ended");
  }

  find(): ProcessIdentity | undefined {
    if (this.#known !== undefined && this.#isOurs(this.#known.pid, this.#known.startTime)) return this.#known;
    const pid = readMonitorLog(this.#log).init;
    const startTime = pid === undefined ? undefined : this.#startTime(pid);
    this.#known =
      pid === undefined || startTime === undefined ? undefined : { pid, startTime, boot: this.#monitor.boot };
    return this.#known;
  }

  /** Whether the latest PID 1 ended with a reboot, so that its monitor is about to start another. */
  isRebooting(): boolean {
    return readMonitorLog(this.#log).rebooting;
  }

  #isOurs(pid: number, startTime: number): boolean {
    return this.#startTime(pid) === startTime;
  }

  /** Only for a live child of the monitor, because part of the log comes from the container. */
  #startTime(pid: number): number | undefined {
    const stat = readIfThereSync(`/proc/${pid}/stat`);
    const found = stat === undefined ? undefined : parseProcessStat(stat);
    if (stat === undefined || found === undefined || "ZX".includes(found.state)) return undefined;
    return parentOf(stat) === this.#monitor.pid ? found.startTime : undefined;
  }
}

/**
 * The parent's pid from the text of /proc/PID/stat. proc_pid_stat(5): the command name before it may contain any
 * character.
 */
export function parentOf(stat: string): number {
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
}
