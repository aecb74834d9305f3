import { closeSync, constants, fstatSync, openSync, read, readdirSync, statSync } from "node:fs";
import { basename, dirname } from "node:path";
import { promisify } from "node:util";

const readAt = promisify(read);

/** One file of a log, open for reading, whatever its name is by now. */
export class LogFile implements Disposable {
  /** Its device and inode. */
  readonly identity: string;
  /** The identity of the file that follows, as far as it was seen. */
  successor: string | undefined;
  /** The identity of the file before it, and its number then, as far as it was seen: numbers only grow. */
  predecessor: { readonly identity: string; readonly number: number } | undefined;
  readonly #fd: number;
  #isClosed = false;

  constructor(fd: number) {
    this.#fd = fd;
    const { dev, ino } = fstatSync(fd, { bigint: true });
    this.identity = `${dev}:${ino}`;
  }

  get size(): number {
    return fstatSync(this.#fd).size;
  }

  /** Whether it has no name any more. */
  get isRemoved(): boolean {
    return fstatSync(this.#fd).nlink === 0;
  }

  /** Reads into the buffer from an offset in the file, and returns how many bytes it has read: 0 at the end. */
  async read(buffer: Buffer, length: number, offset: number): Promise<number> {
    return (await readAt(this.#fd, buffer, 0, length, offset)).bytesRead;
  }

  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    closeSync(this.#fd);
  }
}

/** What follows a file. */
export interface Newer {
  /** Absent: the file is the newest. */
  readonly file?: LogFile | undefined;
  /** The file has lost its name, and so perhaps have files between it and this one. */
  readonly gap: boolean;
}

/** How often the names are looked at again because a writer has just changed them. One look takes microseconds. */
const LOOKS = 100;

/**
 * A log of several files: `path` is the newest, then come `path.1`, `path.2` and so on. A writer renames them while they
 * are read. It gives the highest number first, so a file whose name is the same before and after a look at its
 * neighbour's name has that neighbour. A look is synchronous: it must be quicker than the writer.
 */
export class RotatedFiles {
  readonly folder: string;
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
    this.folder = dirname(path);
  }

  /** The newest file; `undefined` when there is none. */
  newest(): LogFile | undefined {
    for (let look = 0; look < LOOKS; look += 1) {
      // Between two renames of a rotation there is no file of the first name.
      const file = this.#open(0) ?? this.#open(1);
      if (file !== undefined || this.#numbers().length === 0) return file;
    }
    return undefined;
  }

  /** The file before this one; `undefined` when there is none. */
  older(file: LogFile): LogFile | undefined {
    for (let look = 0; look < LOOKS && !file.isRemoved; look += 1) {
      const number = this.#numberOf(file);
      if (number === undefined) continue;
      const older = this.#open(number + 1);
      const isStill = this.#identity(number) === file.identity;
      if (isStill && older !== undefined) {
        older.successor = file.identity;
        return older;
      }
      older?.[Symbol.dispose]();
      if (isStill && !this.#numbers().some((other) => other > number)) return undefined;
    }
    return undefined;
  }

  /** The file after this one. */
  newer(file: LogFile): Newer {
    let hasName = false;
    for (let look = 0; look < LOOKS && !file.isRemoved; look += 1) {
      const number = this.#numberOf(file);
      if (number === 0) return { gap: false };
      if (number === undefined) continue;
      hasName = true;
      const newer = this.#open(number - 1);
      if (newer !== undefined && this.#identity(number) === file.identity) return { file: newer, gap: false };
      newer?.[Symbol.dispose]();
    }
    // With a name, the writer is in the middle of a rotation: its next change tells.
    return (hasName && !file.isRemoved ? undefined : this.#afterLost(file)) ?? { gap: false };
  }

  /** Notes which files are around this one, by which the next one is told once this one has lost its name. */
  noteNeighbours(file: LogFile): void {
    const number = this.#numberOf(file);
    if (number === undefined) return;
    const newer = number === 0 ? file.successor : this.#identity(number - 1);
    const older = this.#identity(number + 1);
    if (this.#identity(number) !== file.identity) return;
    file.successor = newer;
    file.predecessor = older === undefined ? undefined : { identity: older, number: number + 1 };
  }

  /** The oldest file after one that was removed by a rotation, or removed or moved away by somebody else. */
  #afterLost({ predecessor, successor }: LogFile): Newer | undefined {
    const numbers = this.#numbers();
    // A file of a smaller number has got the inode of one that is gone.
    const before =
      predecessor && numbers.find((n) => n >= predecessor.number && this.#identity(n) === predecessor.identity);
    const next = this.#open(numbers.filter((number) => before === undefined || number < before).at(-1) ?? 0);
    return next && { file: next, gap: next.identity !== successor };
  }

  /** Whether it is not the newest any more. */
  isNumbered(file: LogFile): boolean {
    return this.#identity(0) !== file.identity;
  }

  #numberOf(file: LogFile): number | undefined {
    return this.#numbers().find((number) => this.#identity(number) === file.identity);
  }

  /** The numbers of the files that there are, in order. */
  #numbers(): readonly number[] {
    const first = basename(this.#path);
    const names = orUndefined(() => readdirSync(this.folder)) ?? [];
    const numbers = names.flatMap((name) => {
      if (name === first) return [0];
      const number = name.startsWith(`${first}.`) ? name.slice(first.length + 1) : "";
      return /^[1-9]\d{0,5}$/.test(number) ? [Number(number)] : [];
    });
    return numbers.sort((one, other) => one - other);
  }

  #name(number: number): string {
    return number === 0 ? this.#path : `${this.#path}.${number}`;
  }

  #identity(number: number): string | undefined {
    const facts = statSync(this.#name(number), { bigint: true, throwIfNoEntry: false });
    return facts === undefined ? undefined : `${facts.dev}:${facts.ino}`;
  }

  #open(number: number): LogFile | undefined {
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const fd = orUndefined(() => openSync(this.#name(number), flags));
    return fd === undefined ? undefined : new LogFile(fd);
  }
}

function orUndefined<T>(find: () => T): T | undefined {
  try {
    return find();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
