import type { Readable } from "node:stream";
import type { ExecOptions, LineListeners } from "./process.ts";
import type { ExitStatus, SignalName } from "./state.ts";

/** Options of {@link CanExec.run}, but for the encoding. */
export interface RunBaseOptions extends ExecOptions, LineListeners {
  /**
   * Written to the program's standard input, which is closed after it. Default: closed at once. What the program does
   * not read is lost.
   */
  readonly input?: string | Uint8Array | AsyncIterable<Uint8Array> | Readable | undefined;
  /**
   * The most bytes that are kept of stdout, and of stderr. Default 16 MiB. A program that prints more is killed, and
   * the result is `truncated`.
   */
  readonly maxOutput?: number | undefined;
  /** Rejects with {@link RunError} when the result is `failed`. Default false. */
  readonly check?: boolean | undefined;
}

/** Options of {@link CanExec.run} that give the output as text: the default. */
export interface RunOptions extends RunBaseOptions {
  /** `"utf8"`, the default: text; a byte that is part of no character becomes U+FFFD. `"buffer"`: the bytes. */
  readonly encoding?: "utf8" | undefined;
}

/** Options of {@link CanExec.run} that give the output as bytes. */
export interface RunBufferOptions extends RunBaseOptions {
  /** Keeps the output as bytes. */
  readonly encoding: "buffer";
}

/** How a program ended and what it printed. */
export interface RunResult<Output extends string | Buffer = string> {
  readonly stdout: Output;
  readonly stderr: Output;
  /** Absent when a signal ended the program. */
  readonly exitCode: number | undefined;
  /** The signal that ended the program. Absent when it exited by itself. */
  readonly signal: SignalName | undefined;
  /** It did not exit with code 0 by itself: another code, a signal, `timedOut` or `truncated`. */
  readonly failed: boolean;
  /** `timeout` passed. Only in the `result` of a {@link TimeoutError}. */
  readonly timedOut: boolean;
  /** It printed more than `maxOutput` to one of its streams and was killed. The first `maxOutput` bytes are kept. */
  readonly truncated: boolean;
  /**
   * The kernel killed it for want of memory: it ended by a `SIGKILL` that this library did not send, and meanwhile the
   * kernel counted a kill by its OOM killer in the instance (`oom_kill` in the container's cgroup, in a virtual machine
   * that of its guest). False also where the driver cannot count, and for a program whose child was killed.
   */
  readonly oom: boolean;
  /** Milliseconds from the start of the program to its end. */
  readonly durationMs: number;
  /** `exitCode` and `signal` as one value. */
  readonly exit: ExitStatus;
}
