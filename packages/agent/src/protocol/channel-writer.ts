import type { Buffer } from "node:buffer";
import { Writable } from "node:stream";
import { dataCost, INITIAL_CREDIT, MAX_CREDIT, MIN_COST } from "./frame.ts";
import { MARKER } from "./record.ts";

/** What a {@link ChannelWriter} needs from its session. */
export interface WriterOwner {
  /** The writer has bytes to send, and credit for them. The session calls `take()` when the link has room. */
  ready(): void;
  cancel(): void;
}

/** The next thing that a channel wants to put on the wire. */
export type Taken = Buffer | "end" | undefined;

/**
 * What destroying a writer before its end does: send END anyway, cancel the call, or nothing, because CLOSE follows.
 */
export type Destroyed = "end" | "cancel" | "nothing";

/** The sending end of a channel. A write completes when its bytes were given to the link. Without credit it waits. */
export class ChannelWriter extends Writable {
  readonly #owner: WriterOwner;
  readonly #destroyed: Destroyed;
  #credit = INITIAL_CREDIT;
  #chunk: Buffer | undefined;
  #done: ((error?: Error | null) => void) | undefined;
  #end: "no" | "wanted" | "sent" = "no";

  constructor(owner: WriterOwner, destroyed: Destroyed) {
    super({ highWaterMark: 64 * 1024, decodeStrings: true });
    this.#owner = owner;
    this.#destroyed = destroyed;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    if (chunk.length === 0) {
      callback();
      return;
    }
    this.#chunk = chunk;
    this.#done = callback;
    if (this.#credit >= MIN_COST) this.#owner.ready();
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#end = "wanted";
    this.#done = callback;
    this.#owner.ready();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#chunk = undefined;
    this.#done = undefined;
    if (this.#end !== "sent" && this.#destroyed === "cancel") this.#owner.cancel();
    if (this.#end !== "sent" && this.#destroyed === "end") {
      this.#end = "wanted";
      this.#owner.ready();
    }
    callback(error);
  }

  /** What to send next, at most `limit` bytes. Undefined if there is nothing to send now. */
  take(limit: number): Taken {
    const chunk = this.#chunk;
    if (chunk === undefined) {
      if (this.#end !== "wanted") return undefined;
      this.#end = "sent";
      this.#settle();
      return "end";
    }
    if (this.#credit < MIN_COST) return undefined;
    const length = Math.min(chunk.length, limit, this.#credit);
    const marker = chunk.subarray(0, length).indexOf(MARKER);
    const piece = chunk.subarray(0, marker < 0 ? length : marker + MARKER.length / 2);
    this.#credit -= dataCost(piece.length);
    this.#chunk = piece.length < chunk.length ? chunk.subarray(piece.length) : undefined;
    if (this.#chunk === undefined) this.#settle();
    return piece;
  }

  /** Whether `take()` would return something. */
  get waiting(): boolean {
    return this.#end === "wanted" || (this.#chunk !== undefined && this.#credit >= MIN_COST);
  }

  /** The receiver grants more credit. Returns false if the total exceeds what a channel may have. */
  grant(credit: number): boolean {
    this.#credit += credit;
    if (this.#credit > MAX_CREDIT) return false;
    if (this.#chunk !== undefined && this.#credit >= MIN_COST) this.#owner.ready();
    return true;
  }

  /** The receiver wants no more bytes, or the call is over: closes without a message to the peer. */
  halt(error?: Error): void {
    this.#end = "sent";
    this.destroy(error);
  }

  #settle(): void {
    const done = this.#done;
    this.#done = undefined;
    done?.();
  }
}
