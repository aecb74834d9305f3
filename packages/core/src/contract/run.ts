import type { Readable } from "node:stream";
import type { ExecOptions, LineListeners } from "./process.ts";

/** Options of {@link CanExec.run}, except the encoding. */
export interface RunBaseOptions extends ExecOptions, LineListeners {
  /**
   * Written to the program's standard input, which is then closed. Default: standard input is closed at once. Input
   * that the program does not read is lost.
   */
  readonly input?: string | Uint8Array | AsyncIterable<Uint8Array> | Readable | undefined;
  /**
   * The most bytes to keep of stdout, and of stderr. Default 16 MiB. A program that prints more is killed, and the
   * result is `truncated`; its text ends before a character that the limit cuts in two. No more is kept than 4 GiB, and
   * as text no more than fits in a JavaScript string (512 MiB).
   */
  readonly maxOutput?: number | undefined;
  /** Rejects with {@link RunError} when the result is `failed`. Default false. */
  readonly check?: boolean | undefined;
}

/** Options of {@link CanExec.run} that give the output as text: the default. */
export interface RunOptions extends RunBaseOptions {
  /** `"utf8"` (default): text; a byte that is not part of a character becomes U+FFFD. `"buffer"`: the bytes. */
  readonly encoding?: "utf8" | undefined;
}

/** Options of {@link CanExec.run} that give the output as bytes. */
export interface RunBufferOptions extends RunBaseOptions {
  /** Keeps the output as bytes. */
  readonly encoding: "buffer";
}
