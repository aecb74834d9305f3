import type { Duplex } from "node:stream";
import type { Abortable } from "../flow/abortable.ts";
import type { TerminalSize } from "../terms/terminal-size.ts";

/** Who writes to a console. */
export interface ConsoleWriter {
  /** The process of this host that holds it. */
  readonly pid: number;
  /** Since when, in milliseconds since the epoch. */
  readonly since: number;
}

/** Options of {@link CanConsole.console}. */
export interface ConsoleOptions extends Abortable {
  /** Sets the size of the terminal. Default: as it is. The serial console of a machine has none: nothing changes. */
  readonly size?: TerminalSize | undefined;
  /** Becomes the writer at once, in place of another, who hears `taken`. Default false: the first write does, if nobody else writes. */
  readonly take?: boolean | undefined;
}

/** The listener of the event `taken`. */
export type TakenListener = (by: ConsoleWriter) => void;

/**
 * An open console of an instance. Reading gives what was printed lately (the last 64 KiB of the run, as far as the reader
 * is not slower than that), then what is printed, and ends and closes with the run, once all was read. A reboot inside
 * ends neither. After the end of the run, a write and `resize()` fail with a {@link StateError} that says how it ended.
 *
 * Any number of readers, of any process; one writer. The first write becomes the writer, and stays it until the stream is
 * destroyed or ended. While somebody else writes, a write fails with {@link ConsoleBusyError}, which destroys this stream:
 * open another to read on. `end()` gives up writing; the program inside sees nothing of it. Destroying the stream leaves
 * the instance and other readers alone.
 *
 * A write waits as long as the programs inside do not read: about 70 KB fit in between. Nothing else of the instance waits.
 *
 * The event `taken` says that another has become the writer with `take`: what is written from then on fails, and reading
 * goes on.
 */
export interface InstanceConsole extends Duplex {
  /**
   * Sets the size of the terminal, for all that use it: programs inside get `SIGWINCH`. Resolves when it is set.
   *
   * @throws {TimeoutError} as of {@link CanConsole.console}.
   */
  resize(size: TerminalSize, options?: Abortable): Promise<void>;
  /** Calls the listener each time another has taken over. */
  on(event: "taken", listener: TakenListener): this;
  /** As of every stream of `node:stream`. */
  // biome-ignore lint/suspicious/noExplicitAny: as the declaration that it extends
  on(event: string | symbol, listener: (...args: any[]) => void): this;
  /** Calls the listener the next time another has taken over. */
  once(event: "taken", listener: TakenListener): this;
  /** As of every stream of `node:stream`. */
  // biome-ignore lint/suspicious/noExplicitAny: as the declaration that it extends
  once(event: string | symbol, listener: (...args: any[]) => void): this;
}

/** The console of a system: a terminal that is there as long as the instance runs. */
export interface CanConsole {
  /**
   * Opens the console. Requires `running` or `frozen`. An abort destroys the stream with the signal's reason.
   *
   * The bytes are as the instance prints them: a hostile one may print control sequences.
   *
   * @throws {ConsoleBusyError} never here, but by a write: see {@link InstanceConsole}. @throws {HostError} when the
   * console has all the readers that it takes, in all processes together: 192 of a container. @throws {TimeoutError} when
   * the process that keeps the console does not answer within 5 seconds, because it is stopped (`SIGSTOP`) or the host is
   * overloaded.
   */
  console(options?: ConsoleOptions): Promise<InstanceConsole>;
}
