import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";

/** The longest piece of a line that is told at once, in UTF-16 code units: see {@link LineListeners}. */
export const LONGEST_LINE = 65_536;

/** Cuts the bytes of a stream into lines of text, and tells each as soon as it is whole. */
export class LineSplitter {
  readonly #tell: (line: string) => void;
  readonly #decoder = new StringDecoder("utf8");
  #line = "";

  constructor(tell: (line: string) => void) {
    this.#tell = tell;
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

  /** The stream is at its end. @throws what the listener throws */
  finish(): void {
    this.#append(this.#decoder.end());
    if (this.#line !== "") this.#end();
  }

  #append(text: string): void {
    this.#line += text;
    while (this.#line.length > LONGEST_LINE) {
      // Never between the two halves of a character.
      const cut = /[\ud800-\udbff]/.test(this.#line.charAt(LONGEST_LINE - 1)) ? LONGEST_LINE - 1 : LONGEST_LINE;
      const piece = this.#line.slice(0, cut);
      this.#line = this.#line.slice(cut);
      this.#tell(piece);
    }
  }

  #end(): void {
    const line = this.#line;
    this.#line = "";
    this.#tell(line);
  }
}

/**
 * Tells the lines of a stream, whether anybody else reads it or not. The stream begins to flow with the next turn of
 * the event loop: an owner who wants to read it as well has then had the time to begin.
 */
export function tellLines(stream: Readable, tell: (line: string) => void, fail: (error: unknown) => void): void {
  const lines = new LineSplitter(tell);
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
  // Else the listener itself would set it flowing at once.
  stream.pause();
  stream.on("data", (chunk: Buffer) => attempt(() => lines.push(chunk)));
  stream.on("end", () => attempt(() => lines.finish()));
  setImmediate(() => stream.resume());
}
