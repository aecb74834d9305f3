import { appendFileSync, renameSync, rmSync, statSync } from "node:fs";
import { constants } from "node:os";
import type { KeeperLog } from "../order.ts";
import { type EntryStream, entryTime, type LogEntry, MAX_CONTENT, renderEntry } from "./entry.ts";
import { keeperLogFile } from "./open.ts";

/** As a keeper bounds a log unless it is told otherwise: docs/design/0015-keeper.md. */
const [LOG_SIZE, LOG_FILES] = [16 * 2 ** 20, 4];
const NEWLINE = 10;

/**
 * Writes a log as a keeper does, at once, for instances that have none: fake ones. A line that has not ended is written
 * as a part. What cannot be written is lost, and the log says so once it can be written again.
 */
export class LogWriter {
  readonly #file: string;
  readonly #size: number;
  readonly #files: number;
  readonly #now: () => number;
  #latest = "";
  #lost = { entries: 0, bytes: 0, errno: 0 };

  constructor(folder: string, { size = LOG_SIZE, files = LOG_FILES }: KeeperLog = {}, now: () => number = Date.now) {
    this.#file = keeperLogFile(folder);
    this.#size = size;
    this.#files = files;
    this.#now = now;
  }

  /** Writes what a program has printed. */
  print(stream: EntryStream, data: string | Uint8Array): void {
    const bytes = Buffer.from(data as Uint8Array);
    for (let at = 0; at < bytes.length; ) {
      const newline = bytes.indexOf(NEWLINE, at);
      const end = newline < 0 ? bytes.length : newline;
      const to = Math.min(end, at + MAX_CONTENT);
      const ends = newline >= 0 && to === end;
      this.#write(stream, ends, bytes.subarray(at, to));
      at = ends ? to + 1 : to;
    }
  }

  /** Writes what the log says of itself: `start`, `end` … */
  notice(content: string): void {
    this.#write("keeper", true, Buffer.from(content));
  }

  #write(stream: EntryStream, ends: boolean, content: Buffer): void {
    // Never before the entry before, though the clock was set back.
    const time = entryTime(this.#now());
    if (time > this.#latest) this.#latest = time;
    try {
      if (this.#lost.entries > 0) {
        const { entries, bytes, errno } = this.#lost;
        this.#append({ stream: "keeper", ends: true, content: Buffer.from(`lost ${entries} ${bytes} ${errno}`) });
        this.#lost = { entries: 0, bytes: 0, errno: 0 };
      }
      this.#append({ stream, ends, content });
    } catch (error) {
      const { code = "" } = error as NodeJS.ErrnoException;
      const { entries, bytes } = this.#lost;
      const errno = new Map(Object.entries(constants.errno)).get(code) ?? 0;
      this.#lost = { entries: entries + 1, bytes: bytes + content.length, errno };
    }
  }

  #append(what: Omit<LogEntry, "time">): void {
    const entry = renderEntry({ ...what, time: this.#latest });
    const size = statSync(this.#file, { throwIfNoEntry: false })?.size ?? 0;
    if (size > 0 && size + entry.length > this.#size) this.#rotate();
    appendFileSync(this.#file, entry, { mode: 0o600 });
  }

  #rotate(): void {
    const name = (number: number) => (number === 0 ? this.#file : `${this.#file}.${number}`);
    const last = this.#files - 1;
    if (last === 0) rmSync(this.#file);
    for (let number = last; number > 0; number -= 1)
      if (statSync(name(number - 1), { throwIfNoEntry: false }) !== undefined)
        renameSync(name(number - 1), name(number));
  }
}
