import type { Duplex, Readable, Writable } from "node:stream";
import type { TerminalSize } from "../contract/process.ts";
import type { ExitStatus, SignalName } from "../contract/state.ts";

/**
 * One program inside, as a driver hands it over. The engine wraps it into the contract's `PipeProcess` or `TtyProcess`.
 */
export interface BackendProcess {
  /** Three pipes, or one terminal: what the request asked for. */
  readonly streams:
    | { readonly kind: "pipes"; readonly stdin: Writable; readonly stdout: Readable; readonly stderr: Readable }
    | { readonly kind: "tty"; readonly tty: Duplex };
  /** Rejects only when the connection to the program is lost. */
  readonly exit: Promise<ExitStatus>;
  /**
   * To the process group inside; `SIGKILL` to all that the program started. After the program's end: to those of its
   * group that live on, and never to a stranger that has got its number since. Does nothing where there are none.
   */
  kill(signal: SignalName): Promise<void>;
  /** Only asked of a terminal. */
  resize(size: TerminalSize): Promise<void>;
  /**
   * Whether the kernel's OOM killer has killed something in the instance since this program began. Asked right after an
   * end by a `SIGKILL` that the engine did not send. Left out where the driver cannot count.
   */
  ranOutOfMemory?(): Promise<boolean>;
  /**
   * The owner is done with it: no signal comes any more, and what is left of its group lives on. May be called more
   * than once. Left out where the driver holds nothing for a program that has ended.
   */
  release?(): void;
}
