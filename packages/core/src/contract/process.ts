import type { Duplex, Readable, Writable } from "node:stream";
import type { Abortable, Timed } from "./abortable.ts";
import type { RunBufferOptions, RunOptions, RunResult } from "./run.ts";
import type { ExitStatus, SignalName } from "./state.ts";

/** The size of a terminal, in character cells. */
export interface TerminalSize {
  /** Character cells side by side, 1 to 65535. */
  readonly columns: number;
  /** Lines, 1 to 65535. */
  readonly rows: number;
}

/** Options of {@link CanExec.exec}. Nothing of the host's environment reaches the program. */
export interface ExecOptions extends Abortable, Timed {
  /**
   * Milliseconds from the call to the end of the program. When they have passed, the program is killed inside, with
   * everything that it started. Default: no limit.
   */
  readonly timeout?: number | undefined;
  /** An abort kills the program inside, with everything that it started: also after `exec()` has returned. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Added to the defaults `PATH`, `HOME`, `USER`, `HOSTNAME` (the instance's name) and, with a terminal,
   * `TERM=xterm-256color`, and to the image's own environment where it has one. A variable has at most 131,071 bytes,
   * its name and `=` included; arguments and variables together 1,966,080, each with nine bytes beside its text: more
   * is refused with `E2BIG`.
   */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** An absolute path inside. Default: the image's working directory, else `/`. */
  readonly cwd?: string | undefined;
  /**
   * By name or by `uid` or `uid:gid`; names are those of the instance's own `/etc/passwd`. Default: in an
   * application container the user that its program runs as, else root. `HOME` and `USER` go with it, and so do the
   * groups of `/etc/group`, unless one is given. An id beyond those of a container, 0 to 65535, is refused.
   */
  readonly user?: string | undefined;
}

/** Options that ask for a terminal. */
export interface TtyExecOptions extends ExecOptions {
  /** Gives the program a terminal of this size in the place of three pipes. */
  readonly tty: TerminalSize;
}

/**
 * Listeners for the lines of a program on pipes. A line is UTF-8 text without its newline; what follows the last newline
 * is told at the end of the stream. A line of more than 65,536 UTF-16 code units is told in pieces of at most that
 * length. What a listener throws kills the program, with everything that it started, and ends the call with that error.
 */
export interface LineListeners {
  /** Called with each line that the program writes to stdout. */
  readonly onStdout?: ((line: string) => void) | undefined;
  /** Called with each line that the program writes to stderr. */
  readonly onStderr?: ((line: string) => void) | undefined;
}

/**
 * Options of a program on pipes. With a listener the output flows whether its stream is read or not: whoever reads the
 * stream as well begins as soon as `exec()` has returned, and then sets the pace for both.
 */
export interface PipeExecOptions extends ExecOptions, LineListeners {
  /** Absent: three pipes, and no terminal. */
  readonly tty?: undefined;
}

/**
 * A program under way inside an instance. The holder owns it: disposing kills it with everything that it started and
 * waits for its end, for a second at most; in a frozen instance not at all.
 */
export interface InstanceProcess extends AsyncDisposable {
  /**
   * Settles when the program has ended; its output may still be in the streams, and what it left in the background runs
   * on. Rejects with {@link ConnectionError} when the instance or its agent went away first, and with what a listener
   * of lines threw.
   */
  readonly exit: Promise<ExitStatus>;
  /** Whether `timeout` passed before the program ended, which was then killed: `exit` tells `SIGKILL`. */
  readonly timedOut: boolean;
  /**
   * Sends a signal to the program's process group *inside*; `SIGKILL` to everything that it started, in whatever group
   * or session. Default `SIGTERM`. In a frozen instance it takes effect with the thaw.
   *
   * After the program's end a signal goes to those of its process group that live on: never to a stranger that has got
   * its number since. A no-op when there are none, and once the process was disposed.
   */
  kill(signal?: SignalName, options?: Abortable): Promise<void>;
}

/**
 * A program on three pipes. Ending `stdin` is its end of file (half-close); unread output holds the program back. What
 * is written once the program reads no more is lost: a stream may then fail with `EPIPE`, which needs no listener.
 * An output that the program closes ends at once.
 */
export interface PipeProcess extends InstanceProcess {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
}

/**
 * A program on a terminal: one stream both ways, no separate standard error. Destroying the stream hangs it up: the
 * program gets `SIGHUP`. Its settings are the kernel's own (`stty sane` without a tool), with UTF-8 input (`iutf8`).
 */
export interface TtyProcess extends InstanceProcess {
  readonly tty: Duplex;
  /** Tells the terminal its size, as a window does that is dragged: the program gets SIGWINCH. */
  resize(size: TerminalSize, options?: Abortable): Promise<void>;
}

/**
 * Programs inside. The agent of a virtual machine serves one process of the host at a time: while one has it,
 * `can("exec")` is false in another, whose calls reject with {@link UnsupportedError} at once.
 */
export interface CanExec {
  /**
   * Starts a program by argv, never by a shell. Requires `running`: where the instance ends meanwhile, {@link
   * StateError} says how. It is found and started as execvp(3) does it, by
   * its own user: a file that is executable but of no known format is run by `/bin/sh`. A program that cannot be
   * started is a result as a shell would give it: 127 where nothing is there, 126 where what is there cannot be run,
   * with the reason on stderr.
   *
   * It starts with umask 022, no signal blocked or ignored, and priority, limits and the like as the instance gives
   * them: nothing of the caller's own process.
   *
   * An abort kills the program inside, and so does `timeout`. Before `exec()` returned it then rejects, with
   * `signal.reason` or {@link TimeoutError}; afterwards `exit` tells the signal, and `timedOut` whether it was the
   * timeout.
   */
  exec(argv: readonly string[], options: TtyExecOptions): Promise<TtyProcess>;
  /** The same on three pipes instead of a terminal. */
  exec(argv: readonly string[], options?: PipeExecOptions): Promise<PipeProcess>;
  /**
   * Runs a program to its end and collects its output. Every end of the program is a result, unless `check` asks for an
   * error.
   *
   * It ends with its program: where something in the background still holds its pipes, they are read until nothing has
   * come for 100 ms, and for a second at most. That something runs on, also where an abort comes in this time. An abort
   * or `timeout` kills the program inside and everything that it started. In a frozen instance it rejects at once, and
   * the kill takes effect with the thaw.
   *
   * @throws {TimeoutError} when `timeout` (default: none) passed; its `result` has what was printed by then.
   * @throws {RunError} with `check`, when the result is `failed`; it carries the result.
   */
  run(argv: readonly string[], options: RunBufferOptions): Promise<RunResult<Buffer>>;
  /** The same, with what was printed as text. */
  run(argv: readonly string[], options?: RunOptions): Promise<RunResult>;
}
