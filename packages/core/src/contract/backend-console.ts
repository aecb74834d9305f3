import type { Readable } from "node:stream";
import type { Abortable } from "../flow/abortable.ts";
import type { TerminalSize } from "../terms/terminal-size.ts";
import type { ConsoleWriter } from "./console.ts";

/** The answer to a {@link BackendConsole.claim}: who writes now. */
export interface ConsoleClaim extends ConsoleWriter {
  /** Whether that is the one who asked. */
  readonly granted: boolean;
}

/** One open console, as a driver returns it. The engine wraps it in the contract's `InstanceConsole`. */
export interface BackendConsole {
  /** What was printed lately, then what is printed; ends with the run. Destroying it gives up writing too. */
  readonly output: Readable;
  /** Becomes the writer if nobody else is, or with `take` in place of whoever is. Must not wait for a reader. */
  claim(options: Abortable & { readonly take: boolean }): Promise<ConsoleClaim>;
  /** Types. Called once a claim was granted. Resolves when there is room for more. */
  write(bytes: Buffer): Promise<void>;
  /** Gives up writing; reading goes on. */
  release(): Promise<void>;
  /** Sets the size of the terminal, if it has one. Resolves when it is set. */
  resize(size: TerminalSize): Promise<void>;
  /** `listener` is called when another has become the writer in place of this one. */
  onTaken(listener: (by: ConsoleWriter) => void): void;
}
