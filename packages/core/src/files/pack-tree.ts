import { closeSync, constants, fstatSync, openSync, read, readdirSync, readSync } from "node:fs";
import { Readable } from "node:stream";
import { promisify } from "node:util";
import type { Abortable } from "../contract/abortable.ts";
import type { FileStat } from "../contract/files.ts";
import { byteString, type TarEntry } from "../tar/entry.ts";
import { TarWriter } from "../tar/writer.ts";
import { fileError } from "./file-error.ts";
import { isAbsent, readStat } from "./file-stat.ts";
import { openFolderAt } from "./folder-descriptor.ts";
import { systemError } from "./plain-access.ts";
import type { FolderHandle, TreeAccess } from "./tree-access.ts";
import { splitPath } from "./tree-path.ts";

const readAsync = promisify(read);
/** Files of up to this many bytes are read within one turn: a trip through the thread pool costs more than they do. */
const SMALL = 64 * 1024;
const CHUNK = 1024 * 1024;
/** Bytes that are gathered before they are handed on, which also lets other work have its turn. */
const GATHERED = 64 * 1024;

/**
 * The tree at `path` as a POSIX pax tar: names relative to it, parents before what they hold, sorted; `"."` for the root itself. Symlinks
 * are entries, also at the root. Sockets and devices are left out, for nothing could be done with them elsewhere.
 */
export function packTree(access: TreeAccess, path: string, options: Abortable): Readable {
  const { parent, name } = splitPath(path);
  const folder = access.openFolder(parent);
  try {
    // Now, so that a tree that is not there is an error of the call rather than of the stream.
    readStat(access, folder.path(name));
  } catch (error) {
    folder[Symbol.dispose]();
    throw error;
  }
  const packing = new Packing(access, options.signal);
  const stream = Readable.from(packing.archive(path, folder, name), { objectMode: false, signal: options.signal });
  // Not in the generator, which never runs when nobody reads; by now it has come to its end.
  stream.once("close", () => folder[Symbol.dispose]());
  // Whoever reads sees a failure; one who has left by an abort must not be followed by it.
  stream.on("error", () => undefined);
  return stream;
}

class Packing {
  readonly #access: TreeAccess;
  readonly #signal: AbortSignal | undefined;
  readonly #writer = new TarWriter();
  #gathered = 0;

  constructor(access: TreeAccess, signal: AbortSignal | undefined) {
    this.#access = access;
    this.#signal = signal;
  }

  /** All of the archive, whose root is `name` in `folder`. `path` is for messages. */
  async *archive(path: string, folder: FolderHandle, name: string): AsyncGenerator<Buffer, void> {
    try {
      yield* this.#add(folder, name, ".");
      this.#writer.end();
      yield this.#writer.take();
    } catch (error) {
      throw fileError("read", path, error);
    }
  }

  /** `name` in `folder`, as the entry `as`. */
  async *#add(folder: FolderHandle, name: string, as: string): AsyncGenerator<Buffer, void> {
    this.#signal?.throwIfAborted();
    let stat: FileStat;
    try {
      stat = readStat(this.#access, folder.path(name));
    } catch (error) {
      if (as === "." || !isAbsent(error)) throw error;
      // Removed since its folder was read; or a name that is no UTF-8, which must not be left out in silence.
      if (name.includes("\ufffd")) throw systemError("EILSEQ", as);
      return;
    }
    switch (stat.type) {
      case "directory":
        return yield* this.#addFolder(folder, name, as, stat);
      case "file":
        return yield* this.#addFile(folder, name, as, stat);
      case "symlink":
        return yield* this.#entry({ ...facts(as, stat), type: "symlink", target: byteString(stat.target ?? "") });
      case "fifo":
        return yield* this.#entry({ ...facts(as, stat), type: "fifo" });
      default:
        return;
    }
  }

  async *#addFolder(folder: FolderHandle, name: string, as: string, stat: FileStat): AsyncGenerator<Buffer, void> {
    yield* this.#entry({ ...facts(as, stat), type: "directory" });
    const child = openFolderAt(folder.path(name));
    try {
      for (const entry of readdirSync(child.path(".")).sort()) {
        yield* this.#add(child, entry, as === "." ? entry : `${as}/${entry}`);
      }
    } finally {
      child[Symbol.dispose]();
    }
  }

  async *#addFile(folder: FolderHandle, name: string, as: string, stat: FileStat): AsyncGenerator<Buffer, void> {
    const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = constants;
    const fd = openSync(folder.path(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    try {
      const opened = fstatSync(fd);
      if (!opened.isFile()) return;
      yield* this.#entry({ ...facts(as, stat), type: "file", size: opened.size });
      if (opened.size > SMALL) return yield* this.#content(fd, opened.size);
      const content = Buffer.alloc(opened.size);
      readSync(fd, content, 0, content.length, 0);
      this.#writer.data(content);
      yield* this.#gather(content.length);
    } finally {
      closeSync(fd);
    }
  }

  /** A file that shrinks while it is read is filled up with zeros, one that grows is cut: the header's size is promised. */
  async *#content(fd: number, size: number): AsyncGenerator<Buffer, void> {
    for (let at = 0; at < size; ) {
      this.#signal?.throwIfAborted();
      const buffer = Buffer.allocUnsafe(Math.min(CHUNK, size - at));
      const { bytesRead } = await readAsync(fd, buffer, 0, buffer.length, at);
      if (bytesRead === 0) buffer.fill(0);
      const chunk = buffer.subarray(0, bytesRead === 0 ? buffer.length : bytesRead);
      at += chunk.length;
      this.#writer.data(chunk);
      yield* this.#gather(chunk.length);
    }
  }

  *#entry(entry: TarEntry): Generator<Buffer, void> {
    this.#writer.entry(entry);
    yield* this.#gather(512);
  }

  *#gather(bytes: number): Generator<Buffer, void> {
    this.#gathered += bytes;
    if (this.#gathered < GATHERED) return;
    this.#gathered = 0;
    yield this.#writer.take();
  }
}

function facts(name: string, stat: FileStat) {
  const { mode, uid, gid } = stat;
  // Whole seconds: what fits the header. More would cost each entry a kilobyte.
  const mtime = String(Math.floor(stat.mtime / 1000));
  return { name: byteString(name), target: "", mode, uid, gid, mtime, size: 0, xattrs: new Map<string, string>() };
}
