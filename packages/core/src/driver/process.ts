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
  /** To the process group inside; nothing happens after the end. */
  kill(signal: SignalName): Promise<void>;
  /** Only asked of a terminal. */
  resize(size: TerminalSize): Promise<void>;
}
