import type { Abortable } from "../flow/abortable.ts";
import type { ExitStatus, SignalName } from "../terms/state.ts";
import type { ExecOptions } from "./process.ts";

/**
 * Options of {@link CanDetached.exec}. The program has no input, no terminal and no time limit: nobody who could serve
 * these may live any more. `env`, `cwd` and `user` are as of every program.
 */
export interface DetachedExecOptions extends Omit<ExecOptions, "timeout" | "signal"> {
  /** The program goes on after `exec()` has returned, whatever becomes of this process. */
  readonly detached: true;
  /** An abort before `exec()` has returned leaves no program. Afterwards it has no effect. */
  readonly signal?: AbortSignal | undefined;
  /** A detached program has no terminal. */
  readonly tty?: undefined;
  /** A detached program has no time limit: `kill()` ends it. */
  readonly timeout?: undefined;
}

/** A detached program on record. A plain value that does not change later. */
export interface DetachedInfo {
  /** Unique in its instance for ever. */
  readonly id: string;
  /** The program and its arguments. */
  readonly argv: readonly string[];
  /** When it was started, in milliseconds since the epoch. */
  readonly startedAt: number;
  /**
   * `lost`: it no longer runs under our eyes, and nobody saw how it ended. The system inside was restarted, or somebody
   * inside killed what served it.
   */
  readonly state: "running" | "ended" | "lost";
  /** How it ended, if it has `ended`. */
  readonly exit?: ExitStatus | undefined;
  /** When it was over, in milliseconds since the epoch. Absent while it runs. */
  readonly endedAt?: number | undefined;
}

/** A piece of what a detached program has printed. */
export interface OutputChunk {
  readonly stream: "stdout" | "stderr";
  /**
   * How many bytes the program had printed before this piece, to both streams together, in the order in which they were
   * read. `offset + data.length` is where to go on. A jump is what is missing: it was no longer kept, or found the disk
   * full.
   */
  readonly offset: number;
  /** The bytes as they were printed. A hostile program may print control sequences. */
  readonly data: Buffer;
}

/** Options of {@link CanDetached.attach}. */
export interface AttachOptions extends Abortable {
  /**
   * Begins after so many bytes of output, as {@link OutputChunk.offset} counts them. If they are no longer kept, the
   * first piece begins later. Default 0: with the oldest that is kept.
   */
  readonly offset?: number | undefined;
  /** Goes on with what is printed until the program ends. `false` ends with what was printed by now. Default true. */
  readonly follow?: boolean | undefined;
  /** An abort afterwards ends the output and `exit` with its reason; the program goes on. */
  readonly signal?: AbortSignal | undefined;
}

/** A program that does not depend on the process that started it. Every process can have one like it, by its id. */
export interface DetachedProcess {
  /** For {@link CanDetached.attach}, in any process. */
  readonly id: string;
  /** The program and its arguments. */
  readonly argv: readonly string[];
  /** When it was started, in milliseconds since the epoch. */
  readonly startedAt: number;
  /**
   * Sends a signal to the program's process group inside; `SIGKILL` goes to everything that the program started. Default
   * `SIGTERM`. A no-op when the program has ended. In a frozen instance it takes effect at the thaw.
   */
  kill(signal?: SignalName, options?: Abortable): Promise<void>;
  /**
   * Resolves with how the program ended, at once if it has. May be asked again, in every process, as long as the program
   * is on record. An abort ends only the wait.
   *
   * @throws {StateError} when the instance ended first. @throws {NotFoundError} when it is no longer on record.
   * @throws {ConnectionError} when nobody saw how it ended: see {@link DetachedInfo.state}.
   */
  wait(options?: Abortable): Promise<ExitStatus>;
  /** As {@link CanDetached.attach}. */
  attach(options?: AttachOptions): Promise<AttachedProcess>;
}

/**
 * A detached program whose output this process reads. Disposing ends the reading; the program goes on. Until then it keeps
 * this process alive while the program runs.
 */
export interface AttachedProcess extends DetachedProcess, AsyncDisposable {
  /**
   * What it printed from the offset on, both streams in the order of the output. Ends after the program has ended, when
   * all that is kept was read. For one reader, who sets no pace: the program never waits for a reader.
   */
  readonly output: AsyncIterable<OutputChunk>;
  /** As {@link DetachedProcess.wait}. */
  readonly exit: Promise<ExitStatus>;
}

/**
 * Programs that outlive the process that started them. What they print is kept while nobody of ours lives: of each
 * program the last 1 to 2 MiB; in a virtual machine the last 1 MiB, less with less memory than 800 MiB, but never less
 * than 64 KiB. A program is on record until an hour after its end, however often its exit is asked for, and at most until
 * its run ends: a stop, a crash or a deletion ends all, and forgets them. 100 are on record at most: one more forgets the
 * one that ended first.
 */
export interface CanDetached {
  /**
   * Starts a program that goes on without us. Requires `running`. It is found, started and confined as every program of
   * `exec()`; one that cannot be started ends with 127 or 126, with the reason on `stderr`. It reads an empty input. When
   * it has ended, what it left in the background keeps running until it prints: then it gets SIGPIPE or EPIPE.
   *
   * @throws {HostError} when 100 such programs run.
   */
  exec(argv: readonly string[], options: DetachedExecOptions): Promise<DetachedProcess>;
  /** The detached programs on record, the oldest first, whoever started them. Requires `running` or `frozen`. */
  processes(options?: Abortable): Promise<readonly DetachedInfo[]>;
  /**
   * Reads the output of a detached program, whoever started it. Requires `running` or `frozen`. Any number of readers,
   * each at its own pace.
   *
   * @throws {NotFoundError} when no program on record has this id.
   */
  attach(id: string, options?: AttachOptions): Promise<AttachedProcess>;
}
