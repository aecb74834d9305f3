import { Readable } from "node:stream";

/**
 * A stream of the pieces that `read` gives, once it has given the first, which must be empty. When the stream is
 * destroyed, the signal of `read` aborts.
 */
export async function logStream(read: (stop: AbortSignal) => AsyncGenerator<Buffer>): Promise<Readable> {
  const stop = new AbortController();
  const pieces = read(stop.signal);
  await pieces.next();
  return new LogStream(pieces, stop);
}

class LogStream extends Readable {
  readonly #stop: AbortController;
  readonly #pieces: AsyncGenerator<Buffer>;

  constructor(pieces: AsyncGenerator<Buffer>, stop: AbortController) {
    super();
    this.#pieces = pieces;
    this.#stop = stop;
  }

  override _read(): void {
    this.#next().catch((error: unknown) => this.destroy(error as Error));
  }

  async #next(): Promise<void> {
    for (;;) {
      const { value, done } = await this.#pieces.next();
      if (this.destroyed) return;
      if (done) return void this.push(null);
      // An empty piece would end the calls of _read().
      if (value.length > 0) return void this.push(value);
    }
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#stop.abort();
    const closed = this.#pieces.return(undefined);
    closed.then(
      () => done(error),
      (failure: unknown) => done(error ?? (failure as Error)),
    );
  }
}
