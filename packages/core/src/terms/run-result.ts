import type { ExitStatus, SignalName } from "./state.ts";

/** How a program ended and what it printed. */
export interface RunResult<Output extends string | Buffer = string> {
  /** What it wrote to standard output, at most `maxOutput` bytes: text, or bytes with `encoding: "buffer"`. */
  readonly stdout: Output;
  /** What it wrote to standard error, in the same way. */
  readonly stderr: Output;
  /** Absent when a signal ended the program. */
  readonly exitCode: number | undefined;
  /** The signal that ended the program. Absent when it exited by itself. */
  readonly signal: SignalName | undefined;
  /** The program did not exit by itself with code 0: another code, a signal, `timedOut` or `truncated`. */
  readonly failed: boolean;
  /** `timeout` passed. True only in the `result` of a {@link TimeoutError}. */
  readonly timedOut: boolean;
  /**
   * The program printed more than `maxOutput` to one stream. The first `maxOutput` bytes are kept. The program was
   * killed, unless it had already ended: then `exit` is its own.
   */
  readonly truncated: boolean;
  /**
   * The kernel's OOM killer killed the program: it ended by a `SIGKILL` that this library did not send, and meanwhile
   * the kernel counted an OOM kill in the instance (`oom_kill` of the container's cgroup, or of the guest's kernel).
   * False also when the driver cannot count these kills, and when only a child of the program was killed.
   */
  readonly oom: boolean;
  /**
   * Milliseconds from the start of the program to its end, or to the moment when `timeout` passed. The time to start it
   * is not included, unlike in `timeout`, which counts from the call.
   */
  readonly durationMs: number;
  /** `exitCode` and `signal` as one value. */
  readonly exit: ExitStatus;
}
