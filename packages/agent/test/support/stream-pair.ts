import { Duplex } from "node:stream";

class End extends Duplex {
  other: End | undefined;
  #resume: (() => void) | undefined;

  override _read(): void {
    const resume = this.#resume;
    this.#resume = undefined;
    resume?.();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    const { other } = this;
    if (other === undefined || other.destroyed) callback();
    else if (other.push(chunk)) setImmediate(callback);
    else other.#resume = callback;
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    setImmediate(() => this.other?.destroy());
    callback(error);
  }
}

/** Two ends of one connection in memory: what is written to one is read from the other. */
export function streamPair(): [Duplex, Duplex] {
  const [one, two] = [new End(), new End()];
  one.other = two;
  two.other = one;
  return [one, two];
}
