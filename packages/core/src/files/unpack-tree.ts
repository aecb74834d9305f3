import {
  closeSync,
  futimesSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  write,
  writeSync,
} from "node:fs";
import { addAbortSignal, Writable } from "node:stream";
import { finished } from "node:stream/promises";
import { promisify } from "node:util";
import type { Abortable } from "../contract/abortable.ts";
import { FileError } from "../contract/errors.ts";
import { type TarEntry, textOf } from "../tar/entry.ts";
import type { TarFault } from "../tar/header.ts";
import { TarReader } from "../tar/reader.ts";
import { openPending, type PendingFile, temporaryName } from "./atomic-write.ts";
import { fileError } from "./file-error.ts";
import { isAbsent } from "./file-stat.ts";
import { chmodFolder } from "./folder-descriptor.ts";
import { systemError } from "./plain-access.ts";
import type { FolderHandle, Owner, TreeAccess } from "./tree-access.ts";
import { joinPath, splitPath } from "./tree-path.ts";

const writeAsync = promisify(write);
const SMALL = 64 * 1024;

/**
 * Unpacks a tar written to `stream` at `path`: folders that exist (and symlinks to folders) stay as they are and are merged, other things are replaced, each file
 * atomically. Names that leave the tree, fifos and devices are refused with `EINVAL`. `done` settles once all is in place with its times; a failure
 * or an abort leaves what had arrived.
 */
export function unpackStream(
  access: TreeAccess,
  path: string,
  options: Abortable = {},
): { readonly stream: Writable; readonly done: Promise<void> } {
  const unpacking = new Unpacking(access, path, options.signal);
  let busy = Promise.resolve();
  const run = (work: Promise<void>, settle: (error?: Error) => void) => {
    busy = work.then(
      () => settle(),
      (error: unknown) => settle(fileError("write", path, error) as Error),
    );
  };
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, settle) => run(unpacking.take(chunk), settle),
    final: (settle) => run(unpacking.finish(), settle),
    // A write under way still needs the file that is let go of here.
    destroy(error, settle) {
      busy.then(() => unpacking.discard()).then(() => settle(error), settle);
    },
  });
  if (options.signal !== undefined) addAbortSignal(options.signal, stream);
  const done = finished(stream).catch((error: unknown) => {
    // An abort shows its own reason, which the stream has wrapped.
    options.signal?.throwIfAborted();
    throw error;
  });
  // A caller who destroys the stream need not look at the outcome.
  done.catch(() => undefined);
  return { stream, done };
}

/** Where an entry goes: a name in a folder that is open, and the path that it has. */
interface Place {
  readonly folder: FolderHandle;
  readonly name: string;
  readonly path: string;
}

/** The file whose content is arriving. */
interface Arriving {
  readonly path: string;
  readonly folder: FolderHandle;
  readonly pending: PendingFile;
  readonly mtime: Date;
  /** Bytes still to come. */
  left: number;
}

class Unpacking {
  readonly #access: TreeAccess;
  readonly #root: string;
  readonly #signal: AbortSignal | undefined;
  readonly #reader: TarReader;
  /** What the reader found in the chunk at hand: it cannot wait for the file system. */
  readonly #found: (TarEntry | Buffer)[] = [];
  readonly #folders: { readonly path: string; readonly mtime: Date }[] = [];
  #file: Arriving | undefined;

  constructor(access: TreeAccess, root: string, signal: AbortSignal | undefined) {
    this.#access = access;
    this.#root = root;
    this.#signal = signal;
    const refusal = ({ message, tooLarge }: TarFault) =>
      new FileError({ verb: "write", path: root, errno: tooLarge ? "EFBIG" : "EINVAL", detail: message });
    this.#reader = new TarReader(refusal, {
      entry: (entry) => this.#found.push(entry),
      data: (bytes) => this.#found.push(bytes),
    });
  }

  async take(chunk: Buffer): Promise<void> {
    try {
      this.#reader.push(chunk);
    } finally {
      // Also what came before a fault: what arrives must not depend on how the archive was cut into chunks.
      for (const found of this.#found.splice(0)) {
        this.#signal?.throwIfAborted();
        if (Buffer.isBuffer(found)) await this.#write(found);
        else this.#add(found);
      }
    }
  }

  /** Folders get their times last: what is put into them changes those. */
  async finish(): Promise<void> {
    this.#reader.end();
    for (const { path, mtime } of this.#folders.reverse()) {
      this.#at(path, (folder, name) => lutimesSync(folder.path(name), mtime, mtime));
    }
  }

  /** Lets go of the file under way, if there is one, which leaves nothing of it. */
  discard(): void {
    const file = this.#file;
    if (file === undefined) return;
    this.#file = undefined;
    try {
      closeSync(file.pending.fd);
      file.pending.discard();
    } finally {
      file.folder[Symbol.dispose]();
    }
  }

  #add(entry: TarEntry): void {
    const path = this.#locate(entry.name);
    const { parent, name } = splitPath(path);
    const folder = this.#access.openFolder(parent);
    try {
      if (entry.type === "file") this.#openFile(entry, { folder, name, path });
      else this.#make(entry, { folder, name, path });
    } catch (error) {
      throw fileError("write", path, error);
    } finally {
      if (this.#file?.folder !== folder) folder[Symbol.dispose]();
    }
    if (this.#file?.left === 0) this.#keep(this.#file);
  }

  #openFile(entry: TarEntry, { folder, name, path }: Place): void {
    const { owner, mode, mtime } = this.#facts(entry);
    const pending = openPending(this.#access, folder, name, { ...owner, mode });
    this.#file = { path, folder, pending, mtime, left: entry.size };
  }

  async #write(bytes: Buffer): Promise<void> {
    const file = this.#file;
    if (file === undefined) return;
    try {
      await writeAll(file.pending.fd, bytes);
    } catch (error) {
      throw fileError("write", file.path, error);
    }
    file.left -= bytes.length;
    if (file.left === 0) this.#keep(file);
  }

  #keep({ path, folder, pending, mtime }: Arriving): void {
    this.#file = undefined;
    try {
      try {
        futimesSync(pending.fd, mtime, mtime);
      } finally {
        closeSync(pending.fd);
      }
      pending.commit();
    } catch (error) {
      pending.discard();
      throw fileError("write", path, error);
    } finally {
      folder[Symbol.dispose]();
    }
  }

  #make(entry: TarEntry, { folder, name, path }: Place): void {
    switch (entry.type) {
      case "directory":
        this.#makeFolder(entry, folder.path(name), path);
        break;
      case "symlink":
        this.#makeLink(folder, name, entry);
        break;
      case "link":
        this.#makeHardLink(folder, name, entry.target);
        break;
      default:
        throw systemError("EINVAL", textOf(entry.name));
    }
  }

  #makeFolder(entry: TarEntry, at: Buffer, path: string): void {
    const { owner, mode, mtime } = this.#facts(entry);
    try {
      this.#access.create(at, owner, () => mkdirSync(at, 0o700));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      // A folder that is there, or a symlink to one (/lib in most distributions), stays as it is; opening refuses the rest.
      this.#access.openFolder(path)[Symbol.dispose]();
      return;
    }
    chmodFolder(at, mode);
    this.#folders.push({ path, mtime });
  }

  #makeLink(folder: FolderHandle, name: string, entry: TarEntry): void {
    const { owner, mtime } = this.#facts(entry);
    this.#replace(folder, name, (at) => {
      this.#access.create(at, owner, () => symlinkSync(textOf(entry.target), at));
      lutimesSync(at, mtime, mtime);
    });
  }

  #makeHardLink(folder: FolderHandle, name: string, target: string): void {
    this.#at(this.#locate(target), (from, existing) =>
      this.#replace(folder, name, (at) => linkSync(from.path(existing), at)),
    );
  }

  #replace(folder: FolderHandle, name: string, make: (at: Buffer) => void): void {
    const at = folder.path(temporaryName());
    try {
      make(at);
      renameSync(at, folder.path(name));
    } finally {
      // Also after success: rename(2) does nothing where both names are links to one file.
      removeIfThere(at);
    }
  }

  #at(path: string, act: (folder: FolderHandle, name: string) => void): void {
    const { parent, name } = splitPath(path);
    const folder = this.#access.openFolder(parent);
    try {
      act(folder, name);
    } finally {
      folder[Symbol.dispose]();
    }
  }

  /** The path of an entry. Only names that go down are taken: an archive has no business with any other. */
  #locate(bytes: string): string {
    const name = textOf(bytes);
    const parts = name.split("/").filter((part) => part !== "" && part !== ".");
    if (name.startsWith("/") || parts.includes("..") || name.includes("\0")) throw systemError("EINVAL", name);
    return joinPath(this.#root, parts.length === 0 ? "." : parts.join("/"));
  }

  #facts(entry: TarEntry): { readonly owner: Owner; readonly mode: number; readonly mtime: Date } {
    return {
      owner: { uid: entry.uid, gid: entry.gid },
      mode: entry.mode & 0o7777,
      mtime: new Date(Number(entry.mtime) * 1000),
    };
  }
}

async function writeAll(fd: number, chunk: Buffer): Promise<void> {
  for (let at = 0; at < chunk.length; ) {
    at += chunk.length <= SMALL ? writeSync(fd, chunk, at) : (await writeAsync(fd, chunk, at)).bytesWritten;
  }
}

function removeIfThere(path: Buffer): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
}
