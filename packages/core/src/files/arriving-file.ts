import { closeSync, fstatSync, ftruncateSync, write, writeSync } from "node:fs";
import { promisify } from "node:util";
import { type Extent, storedSize, type TarEntry } from "../tar/entry.ts";
import { mtimeNanoseconds } from "../tar/time.ts";
import type { PendingFile } from "./atomic-write.ts";
import { identityOf } from "./descent.ts";
import { type FileCalls, setTime } from "./file-calls.ts";

const writeAsync = promisify(write);
/** Bytes that are written within one turn: a trip through the thread pool costs more than they do. */
const SMALL = 64 * 1024;

/** A file of an archive whose content arrives piece by piece; then it is kept, or discarded. */
export class ArrivingFile {
  readonly #pending: PendingFile;
  readonly #entry: TarEntry;
  /** Where the next bytes belong, and after them. */
  readonly #extents: Extent[];
  /** Bytes still to come. */
  #left: number;

  constructor(pending: PendingFile, entry: TarEntry) {
    this.#pending = pending;
    this.#entry = entry;
    this.#extents = [...(entry.sparse ?? [{ offset: 0, length: entry.size }])];
    this.#left = storedSize(entry);
  }

  /** Whether all of its content is there. */
  get isWhole(): boolean {
    return this.#left === 0;
  }

  async write(bytes: Buffer): Promise<void> {
    const { fd } = this.#pending;
    for (let at = 0; at < bytes.length; ) {
      const { offset, length } = this.#extents[0] as Extent;
      const chunk = bytes.subarray(at, at + length);
      const written =
        chunk.length <= SMALL
          ? writeSync(fd, chunk, 0, chunk.length, offset)
          : (await writeAsync(fd, chunk, 0, chunk.length, offset)).bytesWritten;
      at += written;
      if (written === length) this.#extents.shift();
      else this.#extents[0] = { offset: offset + written, length: length - written };
    }
    this.#left -= bytes.length;
  }

  /** Puts it in place with its time; returns what tells it from all other files. After a failure nothing is left of it. */
  async keep(calls: FileCalls | undefined): Promise<string> {
    const { fd } = this.#pending;
    try {
      let identity: string;
      try {
        // A hole at the end.
        if (this.#entry.sparse !== undefined) ftruncateSync(fd, this.#entry.size);
        setTime(calls, fd, mtimeNanoseconds(this.#entry.mtime));
        identity = identityOf(fstatSync(fd, { bigint: true }));
      } finally {
        closeSync(fd);
      }
      await this.#pending.commit();
      return identity;
    } catch (error) {
      this.#pending.discard();
      throw error;
    }
  }

  discard(): void {
    closeSync(this.#pending.fd);
    this.#pending.discard();
  }
}
