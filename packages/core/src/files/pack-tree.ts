import { closeSync, constants, fstatSync, openSync, read, readdirSync, readSync } from "node:fs";
import { Readable } from "node:stream";
import { promisify } from "node:util";
import { type Headers, pack } from "tar-stream";
import type { Abortable } from "../contract/abortable.ts";
import type { FileStat } from "../contract/files.ts";
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

type Pack = ReturnType<typeof pack>;

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
  const archive = pack();
  const work = new Packing(access, archive, options.signal)
    .add(folder, name, ".")
    .then(
      () => archive.finalize(),
      (error: unknown) => archive.destroy(fileError("read", path, error) as Error),
    )
    .finally(() => folder[Symbol.dispose]());
  // Shows in `stream`, which reads it.
  archive.on("error", () => undefined);
  const stream = Readable.from(archive, { objectMode: false, signal: options.signal });
  stream.once("close", () => archive.destroy());
  // Whoever reads sees a failure; one who has left by an abort must not be followed by it.
  stream.on("error", () => undefined);
  void work;
  return stream;
}

class Packing {
  readonly #access: TreeAccess;
  readonly #archive: Pack;
  readonly #signal: AbortSignal | undefined;

  constructor(access: TreeAccess, archive: Pack, signal: AbortSignal | undefined) {
    this.#access = access;
    this.#archive = archive;
    this.#signal = signal;
  }

  /** `name` in `folder`, as the entry `as`. */
  async add(folder: FolderHandle, name: string, as: string): Promise<void> {
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
        return await this.#addFolder(folder, name, as, stat);
      case "file":
        return await this.#addFile(folder, name, as, stat);
      case "symlink":
        return await this.#entry({ ...header(as, stat), type: "symlink", linkname: stat.target ?? "", size: 0 });
      case "fifo":
        return await this.#entry({ ...header(as, stat), type: "fifo", size: 0 });
      default:
        return;
    }
  }

  async #addFolder(folder: FolderHandle, name: string, as: string, stat: FileStat): Promise<void> {
    await this.#entry({ ...header(as, stat), type: "directory", size: 0 });
    const child = openFolderAt(folder.path(name));
    try {
      for (const entry of readdirSync(child.path(".")).sort()) {
        await this.add(child, entry, as === "." ? entry : `${as}/${entry}`);
      }
    } finally {
      child[Symbol.dispose]();
    }
  }

  async #addFile(folder: FolderHandle, name: string, as: string, stat: FileStat): Promise<void> {
    const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = constants;
    const fd = openSync(folder.path(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    try {
      const opened = fstatSync(fd);
      if (!opened.isFile()) return;
      const entry = { ...header(as, stat), type: "file" as const, size: opened.size };
      if (opened.size <= SMALL) {
        const content = Buffer.alloc(opened.size);
        readSync(fd, content, 0, content.length, 0);
        return await this.#entry(entry, content);
      }
      await this.#stream(fd, entry);
    } finally {
      closeSync(fd);
    }
  }

  /** A file that shrinks while it is read is filled up with zeros, one that grows is cut: the header's size is promised. */
  async #stream(fd: number, entry: Headers & { size: number }): Promise<void> {
    const sink = this.#open(entry);
    for (let at = 0; at < entry.size; ) {
      this.#signal?.throwIfAborted();
      const buffer = Buffer.allocUnsafe(Math.min(CHUNK, entry.size - at));
      const { bytesRead } = await readAsync(fd, buffer, 0, buffer.length, at);
      if (bytesRead === 0) buffer.fill(0);
      const chunk = buffer.subarray(0, bytesRead === 0 ? buffer.length : bytesRead);
      at += chunk.length;
      if (!sink.write(chunk)) await this.#drained(sink);
    }
    const ended = this.#settled(sink);
    sink.end();
    await ended;
  }

  async #entry(entry: Headers, content: Buffer = Buffer.alloc(0)): Promise<void> {
    const sink = this.#open(entry);
    const ended = this.#settled(sink);
    sink.end(content);
    await ended;
  }

  #open(entry: Headers): NodeJS.WritableStream {
    const sink = this.#archive.entry(entry);
    // Its failure is the archive's, and may come while nobody waits for it.
    sink.on("error", () => undefined);
    return sink;
  }

  #drained(sink: NodeJS.WritableStream): Promise<void> {
    return this.#event(sink, "drain");
  }

  #settled(sink: NodeJS.WritableStream): Promise<void> {
    return this.#event(sink, "close");
  }

  // A destroyed archive destroys its sink: `close` comes in every case, `drain` need not, and neither comes twice.
  #event(sink: NodeJS.WritableStream & { readonly destroyed?: boolean }, event: "drain" | "close"): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = () => {
        sink.off("drain", settle);
        sink.off("close", settle);
        if (this.#archive.destroyed) reject(new Error("the reader of the tree went away"));
        else resolve();
      };
      if (sink.destroyed) return settle();
      sink.on("close", settle);
      if (event === "drain") sink.on("drain", settle);
    });
  }
}

function header(name: string, stat: FileStat) {
  return { name, mode: stat.mode, uid: stat.uid, gid: stat.gid, mtime: new Date(stat.mtime) };
}
