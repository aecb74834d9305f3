import type { Duplex, Readable, Writable } from "node:stream";
import type { ExitStatus, SignalName } from "../terms/state.ts";
import type { TerminalSize } from "../terms/terminal-size.ts";

/** One program inside, as a driver returns it. The engine wraps it in the contract's `PipeProcess` or `TtyProcess`. */
export interface BackendProcess {
  /** Three pipes or one terminal, as the request says. */
  readonly streams:
    | { readonly kind: "pipes"; readonly stdin: Writable; readonly stdout: Readable; readonly stderr: Readable }
    | { readonly kind: "tty"; readonly tty: Duplex };
  /** Rejects only when the connection to the program is lost. */
  readonly exit: Promise<ExitStatus>;
  /**
   * Sends a signal to the process group inside; `SIGKILL` goes to everything that the program started. After the
   * program has ended, the signal goes to the members of its group that still live, never to an unrelated process that
   * has the number by then. Does nothing when no member lives.
   */
  kill(signal: SignalName): Promise<void>;
  /** Called only for a terminal. */
  resize(size: TerminalSize): Promise<void>;
  /**
   * Whether the kernel's OOM killer has killed something in the instance since this program began. Called right after
   * the program ended by a `SIGKILL` that the engine did not send. Left out when the driver cannot count these kills.
   */
  ranOutOfMemory?(): Promise<boolean>;
  /**
   * Called when the owner is done with the program: no more signals come, and the rest of its group keeps running. May
   * be called more than once. Left out when the driver holds nothing for a program that has ended.
   */
  release?(): void;
}
