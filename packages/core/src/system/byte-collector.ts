/**
 * Bytes that come in chunks, as one. A stranger may send them one by one, and a list of buffers takes five hundred times
 * the room of such chunks: what is held here is at most twice the content.
 */
export class ByteCollector {
  #block = Buffer.alloc(0);
  #size = 0;

  /** How many there are. */
  get size(): number {
    return this.#size;
  }

  /** Copies `chunk` to the end. */
  append(chunk: Uint8Array): void {
    const size = this.#size + chunk.length;
    if (size > this.#block.length) {
      const block = Buffer.allocUnsafe(Math.max(size, 2 * this.#block.length));
      block.set(this.#block.subarray(0, this.#size));
      this.#block = block;
    }
    this.#block.set(chunk, this.#size);
    this.#size = size;
  }

  /** All that came. Shares its memory: append nothing afterwards. */
  bytes(): Buffer {
    return this.#block.subarray(0, this.#size);
  }
}
