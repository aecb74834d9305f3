/**
 * The state of an instance. Legal transitions are in {@link TRANSITIONS}; `docs/contract.md` draws them.
 *
 * `error` means that this process cannot tell the state of the instance. The reason is in {@link InstanceInfo.error},
 * the next call asks the driver again, and `delete()` works. Other processes may still see another state.
 */
export type InstanceState = "stopped" | "starting" | "running" | "freezing" | "frozen" | "stopping" | "error";

/**
 * The legal transitions. The engine makes no other, and every `state` event is one of them, in every process, unless
 * events before it are missing.
 */
export const TRANSITIONS: Readonly<Record<InstanceState, readonly InstanceState[]>> = {
  stopped: ["starting"],
  starting: ["running", "stopped", "error"],
  running: ["freezing", "stopping", "stopped", "error"],
  freezing: ["frozen", "running", "stopped", "error"],
  frozen: ["running", "stopping", "stopped", "error"],
  stopping: ["stopped", "running", "frozen", "error"],
  error: ["running", "frozen", "stopped", "stopping"],
};

/**
 * A signal by its name in signal(7). `SIGRTMIN` is 34, whatever the C library says: `SIGRTMIN+3` is 37. Signals for
 * which Node has no name are spelled that way.
 */
export type SignalName = NodeJS.Signals | "SIGRTMIN" | "SIGRTMAX" | `SIGRTMIN+${number}` | `SIGRTMAX-${number}`;

/**
 * How a program ended: the main process (`wait()`), or a program of `exec()`.
 *
 * A shell's exit code 128 + n is `exited`; only a program that the kernel ended by a signal is `signaled`.
 */
export type ExitStatus =
  | {
      /** The program ended by itself. */
      readonly kind: "exited";
      /** Its exit code, 0 to 255. */
      readonly code: number;
    }
  | {
      /** The kernel ended the program by a signal. */
      readonly kind: "signaled";
      /** The signal that ended it. */
      readonly signal: SignalName;
    };

/** Why and how an instance last stopped. */
export interface InstanceExit {
  /**
   * `requested`: a caller stopped it; `program`: the main process or the guest ended by itself; `lost`: it ended while no
   * process watched, and how is unknown.
   */
  readonly reason: "requested" | "program" | "lost";
  /**
   * How the main process ended; of a virtual machine QEMU, which exits with 0 when the guest is switched off. Absent when
   * it is unknown: nobody could wait for that process.
   */
  readonly status?: ExitStatus | undefined;
  /**
   * Whether the kernel's OOM killer ended the main process. True if that process ended by a `SIGKILL` that no caller asked
   * for, or with the exit code 137, by which an init or a shell says that of the program below it, and if the kernel
   * counted an OOM kill in the instance during the run. False for every other end, also when the kernel killed another
   * process of the instance only. Of a virtual machine it means QEMU: what the guest's kernel kills does not count.
   * Absent when nobody counted these kills.
   */
  readonly oom?: boolean | undefined;
  /** When the run started, in milliseconds since the epoch. Absent when it is unknown. */
  readonly startedAt?: number | undefined;
  /**
   * When the run ended, in milliseconds since the epoch: the time that its keeper saw, also when no process of this
   * library ran then; never before `startedAt`. Absent when nobody saw it.
   */
  readonly finishedAt?: number | undefined;
  /** What the run used, as far as it is known. Absent when nothing is. */
  readonly usage?: InstanceUsage | undefined;
  /**
   * When the end was recorded, in milliseconds since the epoch. Of an instance that ended while no process watched it,
   * this is when the next process found that out.
   */
  readonly at: number;
}

/** What a run has used: see {@link InstanceExit.usage}. */
export interface InstanceUsage {
  /** Processor time in seconds, summed over all processors. */
  readonly cpuSeconds?: number | undefined;
  /** The most memory that was in use at once, in bytes, page cache included. */
  readonly memoryPeakBytes?: number | undefined;
}
