import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Place, renderCursor } from "./cursor.ts";
import { type Entry, parseEntry, renderEntries } from "./entry.ts";
import { LineReader } from "./line-reader.ts";
import { firstNumber, Segment, segmentName, segmentNumbers } from "./segment.ts";
import { headsOf, isSealed, openBefore } from "./tally.ts";

/** Bytes that are read at once. */
export const CHUNK = 64 * 1024;

/** What is done with what a {@link JournalTail} reads. */
export interface TailListener {
  /** The next entry, and the cursor after it. */
  entry(entry: Entry, cursor: string): void;
  /** A line that is no entry. */
  damaged(): void;
  /** Files were removed before they were read. */
  skipped(): void;
}

/** The end of the journal, to read and to append: the newest file, and the next when that one is sealed. */
export class JournalTail {
  readonly #folder: string;
  readonly #kept: number;
  readonly #listener: TailListener;
  /** The `by` of the lines that open and close files. */
  readonly #by: string;
  #segment: Segment | undefined;
  /** The number of the file that was read last. */
  #last: number | undefined;
  #lines = new LineReader(0);
  /** Whether the seal of the open file was read: nothing that stands behind it counts. */
  #sealed = false;

  /** `kept` is the number of files that are kept. */
  constructor(folder: string, kept: number, by: string, listener: TailListener) {
    this.#folder = folder;
    this.#kept = kept;
    this.#by = by;
    this.#listener = listener;
  }

  /** Up to where it was read; `undefined` while no file is open. */
  get place(): Place | undefined {
    return this.#segment && { segment: this.#segment.number, offset: this.#lines.offset };
  }

  /** The file to append to. */
  get segment(): Segment {
    // So many files were begun meanwhile that this one is not kept, or somebody has removed it.
    if (this.#segment?.isRemoved || this.#sealed || this.#isCut) this.read();
    if (this.#segment?.isRemoved) this.close();
    return this.#opened;
  }

  /** Whether somebody has cut off what was read already: an offset in it would mean another content from now on. */
  get #isCut(): boolean {
    return this.#segment !== undefined && this.#segment.size < this.#lines.offset;
  }

  get #opened(): Segment {
    this.#segment ??= this.#openNewest();
    return this.#segment;
  }

  /** Reads to the end of the newest file. */
  read(): void {
    for (;;) {
      const segment = this.#opened;
      // It stays so when the next file cannot be opened now.
      if (this.#sealed) {
        this.#openNext(segment.number);
        continue;
      }
      if (this.#isCut) {
        this.#listener.damaged();
        // So long that every reader, which stands where the file ended, comes upon the seal.
        segment.append(`\n${" ".repeat(this.#lines.offset - segment.size)}`);
        this.seal();
        this.#sealed = true;
        continue;
      }
      if (this.#readOne(segment)) return;
    }
  }

  /** Closes the newest file: what is appended to it from now on does not count. */
  seal(): void {
    this.segment.append(renderEntries([{ seal: true }], this.#by));
  }

  /** Closes the descriptor. The next use opens the newest file, which it reads from its begin if it is a later one. */
  close(): void {
    const segment = this.#segment;
    this.#segment = undefined;
    segment?.close();
  }

  /** Returns false when the file is sealed. */
  #readOne(segment: Segment): boolean {
    for (;;) {
      const bytes = segment.read(this.#lines.offset, CHUNK);
      if (bytes.length === 0) return true;
      for (const { text, end } of this.#lines.push(bytes)) {
        const entry = parseEntry(text);
        if (entry === "damaged") this.#listener.damaged();
        else if (entry !== "unknown") {
          if ("seal" in entry) {
            this.#sealed = true;
            return false;
          }
          this.#listener.entry(entry, renderCursor({ segment: segment.number, offset: end }));
        }
      }
    }
  }

  #openNewest(): Segment {
    makeFolder(this.#folder);
    let number = segmentNumbers(this.#folder).at(-1) ?? firstNumber(this.#folder);
    for (;;) {
      const segment = Segment.open(this.#folder, number);
      try {
        const content = segment.readWhole();
        const boots = headsOf(content).map(({ boot }) => boot);
        const sealed = isSealed(content);
        // A power loss may have taken lines that a cursor has been given for.
        if (!sealed && (boots[0] ?? thisBoot()) !== thisBoot())
          segment.append(renderEntries([{ seal: true }], this.#by));
        else if (!sealed) {
          this.#startAt(segment, content);
          if (boots.length === 0) this.#begin(segment);
          return segment;
        }
      } catch (error) {
        segment.close();
        throw error;
      }
      segment.close();
      number = this.#after(number);
    }
  }

  #startAt(segment: Segment, content: Buffer): void {
    this.#sealed = false;
    const offset = this.#last === undefined ? segment.size : segment.number === this.#last ? this.#lines.offset : 0;
    this.#lines = new LineReader(offset, offset > 0 && content.at(-1) !== 0x0a);
    if (this.#last !== undefined && this.#last !== segment.number) this.#listener.skipped();
    this.#last = segment.number;
  }

  #openNext(number: number): void {
    let next = this.#after(number);
    let segment = Segment.open(this.#folder, next);
    // Files are removed only when newer ones are there: an empty one before those was made too late to count.
    while (segment.size === 0 && this.#after(next) !== next + 1) {
      segment.close();
      next = this.#after(next);
      segment = Segment.open(this.#folder, next);
    }
    if (next !== number + 1) this.#listener.skipped();
    this.#segment?.close();
    this.#segment = segment;
    this.#last = next;
    this.#sealed = false;
    this.#lines = new LineReader(0);
    if (segment.size === 0) this.#begin(segment);
  }

  /** The number of the file after that one, whether it exists or not. */
  #after(number: number): number {
    return segmentNumbers(this.#folder).find((other) => other > number) ?? number + 1;
  }

  /** Writes the first line of a file, and removes the files that are too many. Several processes may do so at once. */
  #begin(segment: Segment): void {
    const numbers = segmentNumbers(this.#folder).filter((number) => number <= segment.number);
    const kept = numbers.slice(-this.#kept);
    const open = openBefore(this.#folder, numbers, segment.number);
    // First, because it makes room. What the oldest one that stays says of the others must be there.
    const [oldest] = kept;
    if (oldest !== undefined && (oldest === segment.number || hasHead(this.#folder, oldest)))
      for (const number of numbers)
        if (number < oldest) rmSync(join(this.#folder, segmentName(number)), { force: true });
    segment.append(renderEntries([{ head: { boot: thisBoot(), open: [...open] } }], this.#by));
  }
}

/** The boot of the machine: /proc/sys/kernel/random/boot_id. */
function thisBoot(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
}

function hasHead(folder: string, number: number): boolean {
  const segment = Segment.openIfThere(folder, number);
  if (segment === undefined) return false;
  try {
    return headsOf(segment.readWhole()).length > 0;
  } finally {
    segment.close();
  }
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}
