import type { Duplex, Readable, Writable } from "node:stream";
import type { Abortable, Timed } from "../flow/abortable.ts";
import type { RunResult } from "../terms/run-result.ts";
import type { ExitStatus, SignalName } from "../terms/state.ts";
import type { TerminalSize } from "../terms/terminal-size.ts";
import type { RunBufferOptions, RunOptions } from "./run.ts";

/** Options of {@link CanExec.exec}. Nothing of the host's environment reaches the program. */
export interface ExecOptions extends Abortable, Timed {
  /**
   * Milliseconds from the call to the end of the program. A program that takes longer is killed inside, with everything
   * that it started. Default: no limit.
   */
  readonly timeout?: number | undefined;
  /** An abort kills the program inside with everything that it started, also after `exec()` has returned. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Added to the defaults `PATH`, `HOME`, `USER`, `HOSTNAME` (the name that the instance had at its start: a `rename()`
   * shows with the next one), with a terminal `TERM=xterm-256color`, and to the image's own environment, if it has one.
   * A variable may have 131,071 bytes, including its name and `=`. All arguments and variables together may have
   * 1,966,080 bytes, where each counts nine bytes more than its text. More is refused with `E2BIG`.
   */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** An absolute path inside. Default: the image's working directory, else `/`. */
  readonly cwd?: string | undefined;
  /**
   * A name from the instance's own `/etc/passwd`, or `uid`, or `uid:gid`. Default: in an application container the user
   * that its main program runs as, else root. `HOME` and `USER` follow the user; so do the supplementary groups from
   * `/etc/group`, unless a group is given. A container refuses ids outside 0 to 65535.
   */
  readonly user?: string | undefined;
}

/** Options that ask for a terminal. */
export interface TtyExecOptions extends ExecOptions {
  /** Gives the program a terminal of this size in the place of three pipes. */
  readonly tty: TerminalSize;
  /** A program on a terminal is not detached. */
  readonly detached?: undefined;
}

/**
 * Listeners for the lines of a program on pipes. A line is UTF-8 text without its newline; text after the last newline
 * is delivered at the end of the stream, or when the `timeout` of `run` passes. A line of more than 65,536 UTF-16 code
 * units is delivered in pieces of at most that length. If a listener throws, the program is killed with everything that
 * it started, and the call rejects with that error. After `exec()` has returned, `exit` rejects with it, unless the
 * program has already ended.
 */
export interface LineListeners {
  /** Called with each line that the program writes to stdout. */
  readonly onStdout?: ((line: string) => void) | undefined;
  /** Called with each line that the program writes to stderr. */
  readonly onStderr?: ((line: string) => void) | undefined;
}

/**
 * Options of a program on pipes. With a listener, output flows even if its stream is not read. To read the stream as
 * well, begin as soon as `exec()` has returned; the reader then sets the pace for both.
 */
export interface PipeExecOptions extends ExecOptions, LineListeners {
  /** Absent: three pipes, and no terminal. */
  readonly tty?: undefined;
  /** Absent: the program belongs to the caller. */
  readonly detached?: undefined;
}

/**
 * A running program inside an instance. The caller owns it: disposing kills it with everything that it started, and
 * waits at most a second for its end. In a frozen instance disposing does not wait.
 */
export interface InstanceProcess extends AsyncDisposable {
  /**
   * Settles when the program has ended. Its output may still be in the streams, and processes that it left in the
   * background keep running. A program whose output nobody reads does not end once the pipes are full: read the streams
   * first, or meanwhile. Rejects with {@link ConnectionError} when the instance or its agent ended first, and with
   * the error of a line listener that threw.
   */
  readonly exit: Promise<ExitStatus>;
  /** Whether the program was killed because `timeout` passed before it ended; `exit` then shows `SIGKILL`. */
  readonly timedOut: boolean;
  /**
   * Sends a signal to the program's process group *inside*; `SIGKILL` goes to everything that the program started, in
   * any group or session. Default `SIGTERM`. In a frozen instance the signal takes effect at the thaw.
   *
   * After the program has ended, a signal goes to the members of its process group that still live, never to an
   * unrelated process that has the number by then. A no-op when no member lives, and after disposing.
   */
  kill(signal?: SignalName, options?: Abortable): Promise<void>;
}

/**
 * A program on three pipes. Ending `stdin` gives the program end of file (half-close). Unread output blocks the
 * program. Input that the program no longer reads is lost; `stdin` may then fail with `EPIPE`, which needs no `error`
 * listener. An output stream ends as soon as the program closes it.
 */
export interface PipeProcess extends InstanceProcess {
  /** The program's standard input; `end()` gives it end of file. */
  readonly stdin: Writable;
  /** What the program writes to standard output. */
  readonly stdout: Readable;
  /** What the program writes to standard error. */
  readonly stderr: Readable;
}

/**
 * A program on a terminal: one stream in both directions, no separate standard error. Destroying the stream hangs up
 * the terminal: the program gets `SIGHUP`. The terminal has the kernel's default settings (like `stty sane`) with UTF-8
 * input (`iutf8`).
 */
export interface TtyProcess extends InstanceProcess {
  /** The terminal: takes what is typed, gives what the program prints. */
  readonly tty: Duplex;
  /** Changes the size of the terminal: the program gets `SIGWINCH`. */
  resize(size: TerminalSize, options?: Abortable): Promise<void>;
}

/**
 * Programs inside. The agent of a virtual machine serves up to 30 processes of the host at a time, fewer in a small
 * microvm: the calls of others wait until one of them has no call under way, and reject with {@link TimeoutError} after
 * two minutes.
 */
export interface CanExec {
  /** Starts a program on a terminal. All else is as on three pipes. */
  exec(argv: readonly string[], options: TtyExecOptions): Promise<TtyProcess>;
  /**
   * Starts a program on three pipes, by argv, without a shell. Requires `running`; if the instance ends meanwhile,
   * {@link StateError} says how. The program is found and started as execvp(3) does, as its own user: `/bin/sh` runs an
   * executable file of unknown format. A program that cannot be started gives the exit code of a shell, with the reason
   * on stderr: 127 if it does not exist, 126 if it cannot be run.
   *
   * The program starts with umask 022 and with no signal blocked or ignored. Priority, limits and the like are those of
   * the instance; nothing comes from the calling process.
   *
   * An abort kills the program inside, and so does `timeout`. If `exec()` has not returned yet, it rejects with
   * `signal.reason` or {@link TimeoutError}. Afterwards `exit` shows the signal, and `timedOut` whether the timeout was
   * the cause.
   */
  exec(argv: readonly string[], options?: PipeExecOptions): Promise<PipeProcess>;
  /** Runs a program to its end and collects its output as bytes. All else is as with text. */
  run(argv: readonly string[], options: RunBufferOptions): Promise<RunResult<Buffer>>;
  /**
   * Runs a program to its end and collects its output as text. The call resolves however the program ended, unless
   * `check` is set.
   *
   * The call ends when the program ends. If a background process still holds the pipes, they are read until nothing has
   * come for 100 ms, and for at most a second. That process keeps running, even if an abort comes in this time. An
   * abort or `timeout` kills the program inside and everything that it started. In a frozen instance the call then
   * rejects at once, and the kill takes effect at the thaw. `timeout` counts from the call, and
   * {@link RunResult.durationMs} from the start of the program.
   *
   * @throws {TimeoutError} when `timeout` (default: none) passed; its `result` has the output so far.
   * @throws {RunError} with `check`, when the result is `failed`; it has the `result`.
   */
  run(argv: readonly string[], options?: RunOptions): Promise<RunResult>;
}
