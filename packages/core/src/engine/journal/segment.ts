import {
  closeSync,
  constants,
  fdatasyncSync,
  fstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  symlinkSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";

/** The most bytes of one file that are read as a whole: several times what a file grows to. */
const MAX_WHOLE = 8 * 1024 * 1024;

/** One file of the journal, open. */
export class Segment {
  readonly number: number;
  readonly #file: number;

  private constructor(number: number, file: number) {
    this.number = number;
    this.#file = file;
  }

  /** Opens it to read and append, and creates it when it is missing. */
  static open(folder: string, number: number): Segment {
    const { O_RDWR, O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
    return Segment.#checked(
      number,
      openSync(pathOf(folder, number), O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600),
    );
  }

  /** Opens it to read; `undefined` when it does not exist. */
  static openIfThere(folder: string, number: number): Segment | undefined {
    const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
    try {
      return Segment.#checked(number, openSync(pathOf(folder, number), O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  static #checked(number: number, file: number): Segment {
    if (fstatSync(file).isFile()) return new Segment(number, file);
    closeSync(file);
    throw new Error(`its file ${number} is not a regular file`);
  }

  get size(): number {
    return fstatSync(this.#file).size;
  }

  /** Whether its name is gone: nobody else reads what is written to it. */
  get isRemoved(): boolean {
    return fstatSync(this.#file).nlink === 0;
  }

  /** Appends the text by one write(2). The kernel lets one append at a time into a file. */
  append(text: string, { durable = false }: { readonly durable?: boolean } = {}): void {
    const bytes = Buffer.from(text);
    const written = writeSync(this.#file, bytes);
    // The rest in a second write could come after the text of another process.
    if (written < bytes.length)
      throw Object.assign(new Error("the disk is full"), { code: "ENOSPC", syscall: "write" });
    if (durable) fdatasyncSync(this.#file);
  }

  /** The bytes from `offset` on, `length` at most; empty at the end of the file. */
  read(offset: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    return bytes.subarray(0, readSync(this.#file, bytes, 0, length, offset));
  }

  /** Its content, or the last part of one that somebody else has blown up. */
  readWhole(): Buffer {
    const { size } = this;
    return this.read(Math.max(0, size - MAX_WHOLE), Math.min(size, MAX_WHOLE));
  }

  close(): void {
    closeSync(this.#file);
  }
}

function pathOf(folder: string, number: number): string {
  return join(folder, segmentName(number));
}

/** The name of the file of that number. */
export function segmentName(number: number): string {
  return `${number}.ndjson`;
}

/** The numbers of the files that there are, ascending. */
export function segmentNumbers(folder: string): number[] {
  return readdirSync(folder)
    .flatMap((name) => (/^[1-9]\d{0,15}\.ndjson$/.test(name) ? Number.parseInt(name, 10) : []))
    .sort((a, b) => a - b);
}

/**
 * The number of the first file of a new journal, the same for all processes that ask at once: the time of the first in
 * microseconds, which no journal that was removed has. A symlink is made with its content in one step.
 */
export function firstNumber(folder: string): number {
  const path = join(folder, "first");
  try {
    symlinkSync(String(now()), path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  const number = Number(readlinkSync(path));
  if (Number.isSafeInteger(number) && number > 0) return number;
  throw new Error(`its link ${path} names no number`);
}

/** Microseconds since the epoch. Within one process each is greater than the one before. */
function now(): number {
  return Math.floor((performance.timeOrigin + performance.now()) * 1000);
}
