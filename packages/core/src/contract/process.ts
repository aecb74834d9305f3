import type { Duplex, Readable, Writable } from "node:stream";
import type { z } from "zod";
import type { TerminalSizeSchema } from "../model/exec.ts";
import type { Abortable, Timed } from "./abortable.ts";
import type { ExitStatus } from "./state.ts";

/** The size of a terminal, in character cells. */
export type TerminalSize = Readonly<z.output<typeof TerminalSizeSchema>>;

/** Options of {@link CanExec.exec}. Nothing of the host's environment reaches the program. */
export interface ExecOptions extends Abortable {
  /**
   * Added to the defaults `PATH`, `HOME`, `USER` and (with a terminal) `TERM=xterm-256color`, and to the image's own
   * environment where it has one.
   */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** An absolute path inside. Default: the image's working directory, else `/`. */
  readonly cwd?: string | undefined;
  /** By name or by `uid` or `uid:gid`; names are those of the instance's own `/etc/passwd`. Default: root. */
  readonly user?: string | undefined;
}

/** Options that ask for a terminal. */
export interface TtyExecOptions extends ExecOptions {
  readonly tty: TerminalSize;
}

/** Options of {@link CanExec.run}. */
export interface RunOptions extends ExecOptions, Timed {
  /** Written to the program's standard input, which is closed after it. Default: closed at once. */
  readonly stdin?: string | Uint8Array | AsyncIterable<Uint8Array> | undefined;
  /** The most bytes kept of each of stdout and stderr. Default 16 MiB; beyond it the program is killed. */
  readonly maxOutput?: number | undefined;
}

/** What {@link CanExec.run} collected. A non-zero exit is a result, not an error. */
export interface RunResult {
  /** Decoded as UTF-8. */
  readonly stdout: string;
  readonly stderr: string;
  readonly exit: ExitStatus;
}

/** A program under way inside an instance. The holder owns it: disposing kills it and waits for its end. */
export interface InstanceProcess extends AsyncDisposable {
  /**
   * Settles when the program has ended; its output may still be in the streams. Rejects with
   * {@link ConnectionError} when the instance or its agent went away first.
   */
  readonly exit: Promise<ExitStatus>;
  /** Sends a signal to the program's process group *inside*. Default `SIGTERM`. A no-op after its end. */
  kill(signal?: NodeJS.Signals, options?: Abortable): Promise<void>;
}

/** A program on three pipes. Ending `stdin` is its end of file (half-close); unread output holds the program back. */
export interface PipeProcess extends InstanceProcess {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
}

/** A program on a terminal: one stream both ways, no separate standard error. */
export interface TtyProcess extends InstanceProcess {
  readonly tty: Duplex;
  resize(size: TerminalSize, options?: Abortable): Promise<void>;
}

/**
 * Programs inside. The agent of a virtual machine serves one process of the host at a time: while one has it, `can("exec")`
 * is false in another, whose calls reject with {@link UnsupportedError} at once.
 */
export interface CanExec {
  /**
   * Starts a program by argv, never by a shell. Requires `running`. A program that cannot be started is a result as a
   * shell would give it: 127 not found, 126 not executable, with the reason on stderr.
   *
   * Aborting before it returned kills the program inside; afterwards the handle owns it.
   */
  exec(argv: readonly string[], options: TtyExecOptions): Promise<TtyProcess>;
  exec(argv: readonly string[], options?: ExecOptions): Promise<PipeProcess>;
  /**
   * Runs a program to its end and collects its output. Aborting, or passing `timeout`, kills the program inside.
   *
   * @throws {TimeoutError} when `timeout` (default: none) passed.
   */
  run(argv: readonly string[], options?: RunOptions): Promise<RunResult>;
}
