import { Buffer } from "node:buffer";
import { totalmem } from "node:os";
import { encodeChunk, MAX_PIECE } from "../protocol/output-chunk.ts";

/**
 * How much is kept of what one program has printed, in bytes. It is memory of the guest: all programs that may be on
 * record take an eighth of it at most, as far as 64 KiB for each allow.
 */
export const KEPT = Math.max(64 * 1024, Math.min(1024 * 1024, Math.floor(totalmem() / 800)));
/** How many changes from one stream to the other are kept: each takes memory too, about as much as the bytes that are kept. */
const MAX_RUNS = Math.floor(KEPT / 64);
const FIRST_SIZE = 4096;

/** Bytes of one stream. They end where the next run starts. */
interface Run {
  readonly stream: 1 | 2;
  /** So many bytes were printed before. */
  readonly start: number;
}

/** The last part of what a program has printed to both streams, in the order in which it was read. */
export class KeptOutput {
  readonly #waiting = new Set<() => void>();
  readonly #runs: Run[] = [];
  /** Byte `n` of the output is at `n` modulo the size, once the ring has its full size; before, at `n`. */
  #ring = Buffer.allocUnsafeSlow(FIRST_SIZE);
  #printed = 0;
  #over = false;

  add(stream: 1 | 2, data: Buffer): void {
    if (data.length === 0) return;
    if (this.#runs.at(-1)?.stream !== stream) this.#runs.push({ stream, start: this.#printed });
    this.#grow(this.#printed + data.length);
    // What is longer than the ring overwrites its own beginning.
    for (let at = Math.max(0, data.length - this.#ring.length); at < data.length; ) {
      const place = (this.#printed + at) % this.#ring.length;
      at += data.copy(this.#ring, place, at, data.length);
    }
    this.#printed += data.length;
    if (this.#runs.length > MAX_RUNS) this.#runs.splice(0, MAX_RUNS / 4);
    // A run may begin before what is kept; all that end there are of no use.
    while ((this.#runs[1]?.start ?? Number.POSITIVE_INFINITY) <= this.#printed - this.#ring.length) this.#runs.shift();
    this.#news();
  }

  /** Nothing more will come. */
  end(): void {
    this.#over = true;
    this.#news();
  }

  /**
   * What was printed after the first `offset` bytes, as the protocol has it: up to now, or with `follow` up to the end,
   * or until `reader` aborts.
   */
  async *read(offset: number, follow: boolean, reader: AbortSignal): AsyncGenerator<Buffer, void> {
    const end = follow ? Number.POSITIVE_INFINITY : this.#printed;
    reader.addEventListener("abort", () => this.#news(), { once: true });
    for (let at = offset; at < end && !reader.aborted; ) {
      at = Math.max(at, this.#oldest);
      if (at < Math.min(end, this.#printed)) {
        const { stream, data } = this.#piece(at, Math.min(end, this.#printed));
        yield encodeChunk({ stream, offset: at, data });
        at += data.length;
      } else if (this.#over || at >= end) return;
      else await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  get #oldest(): number {
    return Math.max(0, this.#printed - this.#ring.length, this.#runs[0]?.start ?? 0);
  }

  /** The bytes from `at` to the end of their run, of the ring or of what fits into one piece; not behind `end`. */
  #piece(at: number, end: number): { readonly stream: 1 | 2; readonly data: Buffer } {
    let [low, high] = [0, this.#runs.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.#runs[middle]?.start ?? 0) <= at) low = middle;
      else high = middle - 1;
    }
    const runEnd = this.#runs[low + 1]?.start ?? end;
    const place = at % this.#ring.length;
    const length = Math.min(Math.min(runEnd, end) - at, this.#ring.length - place, MAX_PIECE);
    return { stream: this.#runs[low]?.stream ?? 1, data: this.#ring.subarray(place, place + length) };
  }

  /** Doubles the ring until it holds so many bytes or has its full size. It has not been overwritten before. */
  #grow(wanted: number): void {
    let size = this.#ring.length;
    if (size === KEPT) return;
    while (size < wanted && size < KEPT) size = Math.min(KEPT, size * 2);
    if (size === this.#ring.length) return;
    const grown = Buffer.allocUnsafeSlow(size);
    this.#ring.copy(grown, 0, 0, this.#printed);
    this.#ring = grown;
  }

  #news(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }
}
