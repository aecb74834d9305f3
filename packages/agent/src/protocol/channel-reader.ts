import { Buffer } from "node:buffer";
import { Readable } from "node:stream";
import { dataCost, INITIAL_CREDIT } from "./frame.ts";

/** What a {@link ChannelReader} needs from its session. */
export interface ReaderOwner {
  grant(credit: number): void;
  stop(): void;
}

// A small piece would keep the whole chunk in memory that it was cut from.
const COPY_BELOW = 16 * 1024;

/**
 * The receiving end of a channel. Unread bytes stay within the granted credit. Destroying the reader tells the sender
 * to stop.
 */
export class ChannelReader extends Readable {
  readonly #owner: ReaderOwner;
  readonly #queue: Buffer[] = [];
  #credit = INITIAL_CREDIT;
  #consumed = 0;
  #wanting = false;
  #supplying = false;
  #ended = false;

  constructor(owner: ReaderOwner) {
    super({ highWaterMark: 64 * 1024 });
    this.#owner = owner;
    // Fills the buffer before the first read, as Node's own pipes do.
    this.read(0);
  }

  /**
   * Accepts bytes that arrived. `frame` is the length of the frame that begins with them, if one does. Returns false if
   * they exceed the credit.
   */
  deliver(piece: Buffer, frame: number | undefined): boolean {
    if (this.#ended) return false;
    // A frame is charged whole when it begins.
    if (frame !== undefined) this.#credit -= dataCost(frame);
    if (this.#credit < 0) return false;
    if (frame !== undefined) this.#consumed += dataCost(frame) - frame;
    if (this.destroyed || piece.length === 0) return true;
    this.#queue.push(piece.length < COPY_BELOW ? Buffer.from(piece) : piece);
    if (this.#wanting) this.#supply();
    return true;
  }

  /** No more bytes will come. Returns false if that was already known. */
  finish(): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    if (this.#wanting) this.#supply();
    return true;
  }

  /** Whether the sender has ended the channel. */
  get finished(): boolean {
    return this.#ended;
  }

  override _read(): void {
    this.#wanting = true;
    this.#supply();
  }

  #supply(): void {
    // push() may call _read() recursively: the running loop then continues.
    if (this.#supplying) return;
    this.#supplying = true;
    while (this.#wanting) {
      const piece = this.#queue.shift();
      if (piece === undefined && !this.#ended) break;
      this.#wanting = false;
      this.push(piece ?? null);
      this.#consumed += piece?.length ?? 0;
    }
    this.#supplying = false;
    this.#grant();
  }

  #grant(): void {
    if (this.#ended || this.#consumed < INITIAL_CREDIT / 2) return;
    this.#credit += this.#consumed;
    this.#owner.grant(this.#consumed);
    this.#consumed = 0;
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#queue.length = 0;
    if (!this.#ended) this.#owner.stop();
    callback(error);
  }
}
