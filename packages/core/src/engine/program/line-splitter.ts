import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";

/** The longest piece of a line that is delivered at once, in UTF-16 code units: see {@link LineListeners}. */
export const LONGEST_LINE = 65_536;

/** Splits the bytes of a stream into lines of text, and delivers each as soon as it is complete. */
export class LineSplitter {
  readonly #emit: (line: string) => void;
  readonly #decoder = new StringDecoder("utf8");
  #line = "";

  constructor(emit: (line: string) => void) {
    this.#emit = emit;
  }

  /** @throws what the listener throws */
  push(chunk: Buffer): void {
    const [first = "", ...lines] = this.#decoder.write(chunk).split("\n");
    this.#append(first);
    for (const line of lines) {
      this.#end();
      this.#append(line);
    }
  }

  /** Call at the end of the stream. @throws what the listener throws */
  finish(): void {
    this.#append(this.#decoder.end());
    if (this.#line !== "") this.#end();
  }

  #append(text: string): void {
    this.#line += text;
    while (this.#line.length > LONGEST_LINE) {
      // Never between the two halves of a surrogate pair.
      const cut = /[\ud800-\udbff]/.test(this.#line.charAt(LONGEST_LINE - 1)) ? LONGEST_LINE - 1 : LONGEST_LINE;
      const piece = this.#line.slice(0, cut);
      this.#line = this.#line.slice(cut);
      this.#emit(piece);
    }
  }

  #end(): void {
    const line = this.#line;
    this.#line = "";
    this.#emit(line);
  }
}

/**
 * Delivers the lines of a stream, whether another reader reads it or not. The stream starts to flow in the next turn of
 * the event loop: until then its owner can begin to read it as well.
 */
export function emitLines(stream: Readable, emit: (line: string) => void, fail: (error: unknown) => void): void {
  const lines = new LineSplitter(emit);
  let failed = false;
  const attempt = (act: () => void) => {
    if (failed) return;
    try {
      act();
    } catch (error) {
      failed = true;
      fail(error);
    }
  };
  // Else adding the listener would start the flow at once.
  stream.pause();
  stream.on("data", (chunk: Buffer) => attempt(() => lines.push(chunk)));
  stream.on("end", () => attempt(() => lines.finish()));
  setImmediate(() => stream.resume());
}
