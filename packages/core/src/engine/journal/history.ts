import { CursorError } from "../../errors/all.ts";
import { type Place, renderCursor } from "./cursor.ts";
import { parseEntry, type StoredEvent } from "./entry.ts";
import { LineReader } from "./line-reader.ts";
import { Segment, segmentNumbers } from "./segment.ts";

/** Bytes that are read at once: a few hundred events. */
const CHUNK = 64 * 1024;
const NEWLINE = 0x0a;

/** An event that was read from the journal. */
export interface PastEvent {
  readonly event: StoredEvent;
  readonly cursor: string;
  /** So many events before it may be missing. */
  readonly missed: number;
}

/** The events of the journal after a cursor, read part by part: nothing is open and nothing is kept in between. */
export class History {
  readonly #folder: string;
  readonly #since: Place | "oldest";
  readonly #end: () => Place | undefined;
  #segment: number | undefined;
  #lines = new LineReader(0);
  #missed = 0;

  /** `end` says up to where this process has told the events already. */
  constructor(folder: string, since: Place | "oldest", end: () => Place | undefined) {
    this.#folder = folder;
    this.#since = since;
    this.#end = end;
  }

  /**
   * The next events, perhaps none; `undefined` when there are no more up to where this process has told them.
   *
   * @throws {CursorError} when the journal does not have that place, or not any more
   */
  next(): readonly PastEvent[] | undefined {
    const end = this.#end();
    if (end === undefined) throw this.#error("unreadable");
    const number = this.#segment ?? this.#begin();
    this.#segment = number;
    const left = number === end.segment ? end.offset - this.#lines.offset : CHUNK;
    if (number > end.segment || left <= 0) return undefined;
    const segment = Segment.openIfThere(this.#folder, number);
    if (segment === undefined) throw this.#error("too old");
    let bytes: Buffer;
    try {
      bytes = segment.read(this.#lines.offset, Math.min(CHUNK, left));
    } finally {
      segment.close();
    }
    if (bytes.length > 0) return this.#parse(bytes);
    // A file that ends without a seal.
    if (number === end.segment) return undefined;
    this.#goTo(this.#after(number));
    return [];
  }

  #begin(): number {
    const numbers = segmentNumbers(this.#folder);
    const [oldest] = numbers;
    const newest = numbers.at(-1);
    if (oldest === undefined || newest === undefined) throw this.#error("unreadable");
    if (this.#since === "oldest") return oldest;
    const { segment, offset } = this.#since;
    if (segment < oldest) throw this.#error("too old");
    if (!numbers.includes(segment) || !this.#isBoundary(segment, offset)) throw this.#error("unknown");
    this.#lines = new LineReader(offset);
    return segment;
  }

  #isBoundary(number: number, offset: number): boolean {
    if (offset === 0) return true;
    const segment = Segment.openIfThere(this.#folder, number);
    if (segment === undefined) throw this.#error("too old");
    try {
      return segment.read(offset - 1, 1)[0] === NEWLINE;
    } finally {
      segment.close();
    }
  }

  #parse(bytes: Buffer): readonly PastEvent[] {
    const events: PastEvent[] = [];
    const segment = this.#segment ?? 0;
    for (const { text, end } of this.#lines.push(bytes)) {
      const entry = parseEntry(text);
      if (entry === "damaged") this.#missed += 1;
      else if (entry === "unknown") continue;
      else if ("lost" in entry) this.#missed += entry.lost;
      else if ("event" in entry) {
        events.push({ event: entry.event, cursor: renderCursor({ segment, offset: end }), missed: this.#missed });
        this.#missed = 0;
      } else if ("seal" in entry) {
        this.#goTo(this.#after(segment));
        break;
      }
    }
    return events;
  }

  #goTo(number: number): void {
    this.#segment = number;
    this.#lines = new LineReader(0);
  }

  #after(number: number): number {
    const next = segmentNumbers(this.#folder).find((other) => other > number) ?? number + 1;
    if (next !== number + 1) throw this.#error("too old");
    return next;
  }

  #error(reason: CursorError["reason"]): CursorError {
    return new CursorError(this.#since === "oldest" ? "oldest" : renderCursor(this.#since), reason);
  }
}
