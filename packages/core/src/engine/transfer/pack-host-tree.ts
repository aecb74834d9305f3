import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  read,
  readdirSync,
  readlinkSync,
  type Stats,
} from "node:fs";
import { promisify } from "node:util";
import { FileError } from "../../contract/errors.ts";
import type { PushOptions } from "../../contract/files.ts";
import type { TarEntry } from "../../tar/entry.ts";
import { TarWriter } from "../../tar/writer.ts";
import { hostFileError } from "./host-file-error.ts";

const readAsync = promisify(read);
/** Bytes that are gathered before they are handed on, and read of a file at once. */
const CHUNK = 256 * 1024;

/**
 * A file or folder of the host as tar: names relative to it, `"."` for itself, sorted, parents first; modes and times
 * as they are, owners as asked. Files, folders and symlinks; everything else is left out.
 *
 * @throws {FileError} when something cannot be read, or changes its size while it is.
 */
export async function* packHostTree(source: string, options: PushOptions): AsyncGenerator<Buffer, void> {
  const packing = new Packing(options);
  try {
    yield* packing.add(Buffer.from(source), ".");
    packing.writer.end();
    yield packing.writer.take();
  } catch (error) {
    throw hostFileError("push", source, error);
  }
}

// Metadata is read synchronously: a local call is an order of magnitude cheaper than a trip through the thread pool,
// and the consumer's backpressure gives other work its turn.
class Packing {
  readonly writer = new TarWriter();
  readonly #options: PushOptions;
  #gathered = 0;
  #done = 0;

  constructor(options: PushOptions) {
    this.#options = options;
  }

  /** `name` is a byte string, as {@link TarEntry} has it. */
  async *add(path: Buffer, name: string): AsyncGenerator<Buffer, void> {
    this.#options.signal?.throwIfAborted();
    const stat = lstatSync(path);
    if (stat.isDirectory()) {
      yield* this.#entry(name, stat, "directory");
      for (const child of readdirSync(path, { encoding: "buffer" }).sort(Buffer.compare)) {
        const bytes = child.toString("latin1");
        yield* this.add(Buffer.concat([path, Buffer.from("/"), child]), name === "." ? bytes : `${name}/${bytes}`);
      }
    } else if (stat.isSymbolicLink()) {
      yield* this.#entry(name, stat, "symlink", readlinkSync(path, { encoding: "buffer" }).toString("latin1"));
    } else if (stat.isFile()) {
      yield* this.#file(path, name);
    }
  }

  async *#entry(name: string, stat: Stats, type: TarEntry["type"], target = ""): AsyncGenerator<Buffer, void> {
    const { uid = 0, gid = 0 } = this.#options;
    const size = type === "file" ? stat.size : 0;
    // Three decimals: what a JavaScript number of milliseconds can say of a time. Cut, not rounded: no file is of a later second.
    const mtime = (Math.floor(stat.mtimeMs) / 1000).toFixed(3);
    this.writer.entry({ type, name, target, mode: stat.mode & 0o7777, uid, gid, mtime, size, xattrs: new Map() });
    yield* this.#gather(512);
  }

  async *#file(path: Buffer, name: string): AsyncGenerator<Buffer, void> {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const stat = fstatSync(fd);
      yield* this.#entry(name, stat, "file");
      for (let at = 0; at < stat.size; ) {
        this.#options.signal?.throwIfAborted();
        const buffer = Buffer.allocUnsafe(Math.min(CHUNK, stat.size - at));
        const { bytesRead } = await readAsync(fd, buffer, 0, buffer.length, at);
        if (bytesRead === 0)
          throw new FileError({
            verb: "push",
            path: path.toString(),
            errno: "EIO",
            detail: "it shrank while it was read",
          });
        at += bytesRead;
        this.#done += bytesRead;
        this.writer.data(buffer.subarray(0, bytesRead));
        yield* this.#gather(bytesRead);
      }
    } finally {
      closeSync(fd);
    }
    this.#options.onProgress?.({ phase: "push", done: this.#done });
  }

  async *#gather(bytes: number): AsyncGenerator<Buffer, void> {
    this.#gathered += bytes;
    if (this.#gathered < CHUNK) return;
    this.#gathered = 0;
    yield this.writer.take();
  }
}
