import { closeSync, fchmodSync, fstatSync, ftruncateSync, write, writeSync } from "node:fs";
import { promisify } from "node:util";
import { type Extent, storedSize, type TarEntry } from "../tar/entry.ts";
import { mtimeNanoseconds } from "../tar/time.ts";
import type { PendingFile } from "./atomic-write.ts";
import { identityOf } from "./descent.ts";
import { setTime } from "./file-calls.ts";
import type { TreeAccess } from "./tree-access.ts";
import { setXattrs } from "./xattrs.ts";

const writeAsync = promisify(write);
/** Up to this many bytes are written synchronously: a trip through the thread pool costs more. */
const SMALL = 64 * 1024;

/** A file of an archive whose content arrives piece by piece; then it is kept, or discarded. */
export class ArrivingFile {
  readonly #pending: PendingFile;
  readonly #entry: TarEntry;
  readonly #extents: readonly Extent[];
  /** Where the next bytes belong: the index of the extent, and how many bytes of it are written. */
  #extent = 0;
  #written = 0;
  /** Bytes still to come. */
  #left: number;

  constructor(pending: PendingFile, entry: TarEntry) {
    this.#pending = pending;
    this.#entry = entry;
    this.#extents = entry.sparse ?? [{ offset: 0, length: entry.size }];
    this.#left = storedSize(entry);
  }

  /** Whether all content has arrived. */
  get isWhole(): boolean {
    return this.#left === 0;
  }

  /** One file can have very many parts: `yieldNow` is called before each. */
  async write(bytes: Buffer, yieldNow: () => Promise<void> | undefined): Promise<void> {
    for (let at = 0; at < bytes.length; at += await this.#writeNext(bytes.subarray(at))) await yieldNow();
    this.#left -= bytes.length;
  }

  /** Writes the bytes that belong to one part, and returns their number. */
  async #writeNext(bytes: Buffer): Promise<number> {
    const { fd } = this.#pending;
    const { offset, length } = this.#extents[this.#extent] as Extent;
    const chunk = bytes.subarray(0, length - this.#written);
    const position = offset + this.#written;
    const written =
      chunk.length <= SMALL
        ? writeSync(fd, chunk, 0, chunk.length, position)
        : (await writeAsync(fd, chunk, 0, chunk.length, position)).bytesWritten;
    this.#written += written;
    if (this.#written === length) {
      this.#extent += 1;
      this.#written = 0;
    }
    return written;
  }

  /** Puts the file in place with its attributes and time, and returns its identity. A failure leaves nothing. */
  async keep(access: TreeAccess): Promise<string> {
    const { fd } = this.#pending;
    const { sparse, size, xattrs, mode, mtime } = this.#entry;
    try {
      // A hole at the end.
      if (sparse !== undefined) ftruncateSync(fd, size);
      if (xattrs.size > 0) {
        // After the content: a write removes capabilities.
        setXattrs(access, fd, xattrs);
        fchmodSync(fd, mode);
      }
      setTime(access.calls, fd, mtimeNanoseconds(mtime));
      await this.#pending.commit();
      return identityOf(fstatSync(fd, { bigint: true }));
    } catch (error) {
      this.#pending.discard();
      throw error;
    } finally {
      closeSync(fd);
    }
  }

  discard(): void {
    closeSync(this.#pending.fd);
    this.#pending.discard();
  }
}
