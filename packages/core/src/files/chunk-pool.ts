/** The pool of each chunk that is in use, by its memory. Keeps neither of them. */
const homes = new WeakMap<ArrayBufferLike, Buffer[]>();

/**
 * Chunks of one size, which are used again once their reader has given them back: {@link giveBack}. New memory for each
 * chunk costs more than the system calls that fill and empty it. A chunk that is not given back is left to the garbage
 * collector.
 */
export class ChunkPool {
  readonly #size: number;
  readonly #free: Buffer[] = [];

  constructor(size: number) {
    this.#size = size;
  }

  /** A chunk with any bytes in it, which belongs to the caller until it is given back. */
  take(): Buffer {
    // Slow: with memory of its own.
    const chunk = this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#size);
    homes.set(chunk.buffer, this.#free);
    return chunk;
  }
}

/**
 * Says that these bytes, and all others of the same chunk, are not used any more. Only the last reader may say so.
 * Does nothing for bytes that are of no pool, or were given back before.
 */
export function giveBack({ buffer }: Buffer): void {
  homes.get(buffer)?.push(Buffer.from(buffer));
  homes.delete(buffer);
}
