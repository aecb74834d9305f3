import { LONGEST_BUFFER } from "../text/longest-text.ts";

/**
 * Collects chunks into one buffer. It takes at most twice the memory of the content. A peer may send single bytes, and
 * a list of such chunks would take five hundred times their size.
 */
export class ByteCollector {
  #block = Buffer.alloc(0);
  #size = 0;
  readonly #longest: number;

  /** At most `longest` bytes can be collected. Default: 4 GiB, the longest Buffer of Node 20. */
  constructor(longest = LONGEST_BUFFER) {
    this.#longest = longest;
  }

  /** The number of bytes. */
  get size(): number {
    return this.#size;
  }

  /** Copies `chunk` to the end. @throws {RangeError} when that would be too many bytes: then it changes nothing. */
  append(chunk: Uint8Array): void {
    const size = this.#size + chunk.length;
    if (size > this.#longest) throw new RangeError(`cannot collect more than ${this.#longest} bytes`);
    if (size > this.#block.length) {
      const block = Buffer.allocUnsafe(Math.max(size, Math.min(2 * this.#block.length, this.#longest)));
      block.set(this.#block.subarray(0, this.#size));
      this.#block = block;
    }
    this.#block.set(chunk, this.#size);
    this.#size = size;
  }

  /** All bytes. They share memory with the collector: append nothing afterwards. */
  bytes(): Buffer {
    return this.#block.subarray(0, this.#size);
  }
}
