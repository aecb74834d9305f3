import { Buffer } from "node:buffer";
import { FRAME, type FrameHeader, HEADER_SIZE, parseHeader } from "./frame.ts";
import { MARKER, MAX_RECORD, type RecordKind, recordKind } from "./record.ts";

/** Receives what a {@link Deframer} finds, in the order of the stream. */
export interface DeframerSink {
  /**
   * Whether the peer may begin calls. Default true; false at the host, so that it never buffers a CALL from a guest.
   */
  readonly calls?: boolean;
  /** A record. Returns false if the record does not count, and everything up to the next marker must be discarded. */
  record(kind: RecordKind, payload: Buffer): boolean;
  /** A whole frame, except DATA. */
  frame(header: FrameHeader, payload: Buffer): void;
  /** Bytes of a DATA frame as they arrive, several times for one frame. `first`: the frame begins with these. */
  data(header: FrameHeader, piece: Buffer, first: boolean): void;
  /** The peer broke the protocol. Everything up to the next marker is discarded. */
  malformed(reason: string, received: Buffer): void;
}

type Mode = "seeking" | "record" | "header" | "payload";

const EMPTY = Buffer.alloc(0);
const RECORD_HEAD = 3;

/**
 * Splits a byte stream into records and frames, for chunks of any size. Before the first marker, and after anything
 * that breaks the protocol, it discards bytes up to the next marker. Keeps no more than one frame that is not DATA.
 */
export class Deframer {
  readonly #sink: DeframerSink;
  #mode: Mode = "seeking";
  // A unit that arrives in parts: the received part of a record, or a buffer of full size for a header or payload,
  // filled so far.
  #unit: Buffer = EMPTY;
  #gathered = 0;
  #header: FrameHeader | undefined;
  #left = 0;
  #first = true;
  // The last bytes of a chunk if they may be the beginning of a marker.
  #held: Buffer = EMPTY;

  constructor(sink: DeframerSink) {
    this.#sink = sink;
  }

  /** How many bytes the current frame still lacks; 0 between frames. */
  get missing(): number {
    if (this.#mode === "payload") return this.#left - this.#held.length;
    if (this.#mode === "header" && this.#gathered > 0) return HEADER_SIZE - this.#gathered;
    return 0;
  }

  push(input: Buffer): void {
    let chunk = this.#held.length > 0 ? Buffer.concat([this.#held, input]) : input;
    this.#held = EMPTY;
    for (;;) {
      const at = chunk.indexOf(MARKER);
      if (at < 0) break;
      this.#parse(chunk.subarray(0, at));
      this.#become("record");
      chunk = chunk.subarray(at + MARKER.length);
    }
    const tail = markerPrefix(chunk);
    if (tail > 0) {
      const head = chunk.subarray(0, chunk.length - tail);
      this.#parse(head);
      // Data that ends like the beginning of a marker must not wait for a next frame, which may never come.
      const completes = this.#mode === "payload" && this.#left === tail;
      if (completes) this.#parse(chunk.subarray(head.length));
      else this.#held = Buffer.from(chunk.subarray(head.length));
    } else this.#parse(chunk);
  }

  #become(mode: Mode): void {
    this.#mode = mode;
    this.#unit = EMPTY;
    this.#gathered = 0;
  }

  #parse(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0 && this.#mode !== "seeking") {
      if (this.#mode === "record") rest = this.#record(rest);
      else if (this.#mode === "header") rest = this.#readHeader(rest);
      else rest = this.#payload(rest);
    }
  }

  #record(chunk: Buffer): Buffer {
    const all = this.#gathered > 0 ? Buffer.concat([this.#unit, chunk]) : chunk;
    const length = all.length < RECORD_HEAD ? 0 : all.readUInt16BE(1);
    const kind = recordKind(all[0] ?? 0);
    if (kind === undefined || length > MAX_RECORD) return this.#malformed("a record of unknown kind or size", all);
    if (all.length < RECORD_HEAD || all.length < RECORD_HEAD + length) {
      this.#unit = Buffer.from(all);
      this.#gathered = all.length;
      return EMPTY;
    }
    this.#become(this.#sink.record(kind, all.subarray(RECORD_HEAD, RECORD_HEAD + length)) ? "header" : "seeking");
    return all.subarray(RECORD_HEAD + length);
  }

  #readHeader(chunk: Buffer): Buffer {
    const bytes = this.#take(chunk, HEADER_SIZE);
    if (bytes === undefined) return EMPTY;
    const used = bytes.consumed;
    const header = parseHeader(bytes.whole);
    if (typeof header !== "string" && header.type === FRAME.call && this.#sink.calls === false)
      return this.#malformed("a CALL from the agent", bytes.whole);
    if (typeof header === "string") return this.#malformed(header, bytes.whole);
    this.#header = header;
    this.#left = header.length;
    this.#first = true;
    this.#become("payload");
    if (header.length === 0) this.#finish(EMPTY);
    return chunk.subarray(used);
  }

  #payload(chunk: Buffer): Buffer {
    const header = this.#header as FrameHeader;
    const piece = chunk.subarray(0, this.#left);
    if (header.type === FRAME.data) {
      this.#left -= piece.length;
      const first = this.#first;
      this.#first = false;
      if (this.#left === 0) this.#become("header");
      this.#sink.data(header, piece, first);
      return chunk.subarray(piece.length);
    }
    const bytes = this.#take(chunk, header.length);
    this.#left -= piece.length;
    if (bytes === undefined) return EMPTY;
    this.#finish(bytes.whole);
    return chunk.subarray(bytes.consumed);
  }

  #finish(payload: Buffer): void {
    const header = this.#header as FrameHeader;
    this.#become("header");
    if (header.type === FRAME.data) this.#sink.data(header, payload, true);
    else this.#sink.frame(header, payload);
  }

  // Gathers exactly `size` bytes over several chunks. Copies only if they came in parts.
  #take(chunk: Buffer, size: number): { whole: Buffer; consumed: number } | undefined {
    const consumed = Math.min(size - this.#gathered, chunk.length);
    if (this.#gathered === 0 && consumed === size) return { whole: chunk.subarray(0, size), consumed };
    // Gathered in one buffer: a guest may send single bytes, and a list of those would take a hundred times the memory.
    if (this.#gathered === 0) this.#unit = Buffer.allocUnsafeSlow(size);
    chunk.copy(this.#unit, this.#gathered, 0, consumed);
    this.#gathered += consumed;
    return this.#gathered < size ? undefined : { whole: this.#unit, consumed };
  }

  #malformed(reason: string, received: Buffer): Buffer {
    this.#become("seeking");
    this.#sink.malformed(reason, received);
    return EMPTY;
  }

  /** Discards everything up to the next marker: the session is over. */
  seek(): void {
    this.#become("seeking");
  }
}

// The length of the longest suffix of `chunk` that is a prefix of the marker.
function markerPrefix(chunk: Buffer): number {
  const start = Math.max(0, chunk.length - MARKER.length + 1);
  for (let at = chunk.indexOf(MARKER[0] as number, start); at >= 0; at = chunk.indexOf(MARKER[0] as number, at + 1)) {
    if (MARKER.compare(chunk, at, chunk.length, 0, chunk.length - at) === 0) return chunk.length - at;
  }
  return 0;
}
