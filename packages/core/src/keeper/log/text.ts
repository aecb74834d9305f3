import { getSystemErrorName } from "node:util";
import { type EntryStream, type LogEntry, parseEntry, parseNotice } from "./entry.ts";
import type { LogLine } from "./lines.ts";

/** What of a log a caller wants, and how. */
export interface LogTextOptions {
  /** One stream; absent: all. */
  readonly stream?: EntryStream | undefined;
  /** Nothing before this time, as {@link LogEntry.time}. */
  readonly since?: string | undefined;
  /** Begins each line with its time. */
  readonly timestamps?: boolean | undefined;
}

const NEWLINE = Buffer.from("\n");

/**
 * Makes the text that a caller of `logs()` reads from the lines of a log. What is missing is said in the text, on a line
 * of its own: `[pileus: …]`. Pure, apart from where it is within a line.
 */
export class LogText {
  readonly #options: LogTextOptions;
  /** Whether the text so far ends within a line, and of which stream. */
  #within: EntryStream | undefined;
  #began: boolean;
  #damaged = 0;

  constructor(options: LogTextOptions = {}) {
    this.#options = options;
    this.#began = options.since === undefined;
  }

  /** The text of some lines. */
  add(lines: readonly LogLine[]): Buffer {
    const parts: Buffer[] = [];
    for (const line of lines) this.#line(line, parts);
    return Buffer.concat(parts);
  }

  /** A remark about the log itself. */
  remark(words: string): Buffer {
    const text = Buffer.from(`${this.#within === undefined ? "" : "\n"}[pileus: ${words}]\n`);
    this.#within = undefined;
    return text;
  }

  /** What remains to be said at the end. */
  end(): Buffer {
    const parts: Buffer[] = [];
    this.#sayDamage(parts);
    return Buffer.concat(parts);
  }

  #line(line: LogLine, parts: Buffer[]): void {
    const entry = Buffer.isBuffer(line) ? parseEntry(line) : undefined;
    if (entry === undefined) {
      this.#damaged += Buffer.isBuffer(line) ? line.length : (line as { damaged: number }).damaged;
      return;
    }
    this.#began ||= entry.time >= (this.#options.since as string);
    if (!this.#began) {
      this.#damaged = 0;
      return;
    }
    this.#sayDamage(parts);
    if (entry.stream === "keeper") this.#notice(entry, parts);
    else if (this.#options.stream === undefined || entry.stream === this.#options.stream) this.#printed(entry, parts);
  }

  #printed(entry: LogEntry, parts: Buffer[]): void {
    const { time, stream, ends, content } = entry;
    if (this.#options.timestamps && this.#within !== stream) {
      // A line that another stream interrupts goes on in a line of its own: each begins with its time.
      if (this.#within !== undefined) parts.push(NEWLINE);
      parts.push(Buffer.from(`${time} `, "latin1"));
    }
    parts.push(content);
    if (ends) parts.push(NEWLINE);
    this.#within = ends ? undefined : stream;
  }

  #notice(entry: LogEntry, parts: Buffer[]): void {
    const notice = parseNotice(entry);
    if (notice?.kind === "lost") {
      const { entries, bytes, errno } = notice;
      parts.push(this.remark(`${entries} lines with ${bytes} bytes could not be written here: ${errorName(errno)}`));
    } else if (notice?.kind === "resume") {
      parts.push(this.remark("the keeper of this log was killed, and another took over: output may be missing here"));
    } else if (notice?.kind === "start" && this.#within !== undefined) {
      // The last line of the run before had no end.
      parts.push(NEWLINE);
      this.#within = undefined;
    }
  }

  #sayDamage(parts: Buffer[]): void {
    if (this.#damaged === 0) return;
    parts.push(this.remark(`${this.#damaged} bytes of this log are damaged here`));
    this.#damaged = 0;
  }
}

function errorName(errno: number): string {
  try {
    return getSystemErrorName(-errno);
  } catch {
    // No error that Node knows.
    return `error ${errno}`;
  }
}
