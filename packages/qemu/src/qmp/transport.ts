import type { Duplex } from "node:stream";

/** The longest accepted line, in bytes. The longest line of QEMU is its schema, of about 250 kB. */
export const MAX_LINE = 8 * 1024 * 1024;

/** The most bytes that may wait for a peer to read them. A command has some hundred bytes. */
export const MAX_BACKLOG = 1024 * 1024;

export interface LineListeners {
  line(text: string): void;
  /** A line longer than the limit was dropped; `start` is its beginning. */
  oversized(start: string): void;
  /** The other end closed, or the connection broke with `error`. Called once, last. */
  end(error: Error | undefined): void;
}

/** Splits a stream into lines of bounded length. Owns the stream from then on. */
export class LineTransport {
  readonly #stream: Duplex;
  readonly #maxLine: number;
  #parts: Buffer[] = [];
  #length = 0;
  #skipping = false;
  #error: Error | undefined;
  #heard = false;

  constructor(stream: Duplex, listeners: LineListeners, maxLine: number = MAX_LINE) {
    this.#stream = stream;
    this.#maxLine = maxLine;
    stream.on("data", (chunk: Buffer) => this.#accept(chunk, listeners));
    stream.on("error", (error) => {
      this.#error = error;
    });
    // A peer that half-closes will send nothing more; "close" follows.
    stream.on("end", () => stream.destroy());
    stream.once("close", () => listeners.end(this.#error));
  }

  /** Whether the peer has sent anything, even an incomplete line. */
  get heard(): boolean {
    return this.#heard;
  }

  /**
   * Queues one line. The answer, or `end`, tells what happened to it. Returns false, and queues nothing, when the peer
   * does not read what was sent before.
   */
  write(text: string): boolean {
    if (this.#stream.writableLength + text.length > MAX_BACKLOG) return false;
    this.#stream.write(`${text}\n`);
    return true;
  }

  close(): void {
    this.#stream.destroy();
  }

  #accept(chunk: Buffer, listeners: LineListeners): void {
    this.#heard = true;
    let from = 0;
    for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, from)) {
      this.#keep(chunk.subarray(from, at), listeners);
      const text = Buffer.concat(this.#parts).toString("utf8").trim();
      const complete = !this.#skipping;
      this.#parts = [];
      this.#length = 0;
      this.#skipping = false;
      from = at + 1;
      if (complete && text !== "") listeners.line(text);
    }
    this.#keep(chunk.subarray(from), listeners);
  }

  #keep(part: Buffer, listeners: LineListeners): void {
    if (this.#skipping || part.length === 0) return;
    this.#parts.push(part);
    this.#length += part.length;
    if (this.#length <= this.#maxLine) return;
    const start = Buffer.concat(this.#parts).subarray(0, 1024).toString("utf8");
    this.#parts = [];
    this.#length = 0;
    this.#skipping = true;
    listeners.oversized(start);
  }
}
