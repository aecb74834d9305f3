import {
  closeSync,
  createWriteStream,
  lstatSync,
  mkdirSync,
  open,
  readlinkSync,
  rmdirSync,
  unlinkSync,
  write,
  writev,
} from "node:fs";
import { Readable, type Writable } from "node:stream";
import type {
  DirectoryEntry,
  FileOperations,
  FileStat,
  MkdirOptions,
  OwnerOptions,
  RemoveOptions,
} from "../contract/files.ts";
import { systemError } from "../errors/system-error.ts";
import type { Abortable } from "../flow/abortable.ts";
import { nameText } from "../text/byte-name.ts";
import { openPending } from "./atomic-write.ts";
import { destroyOnAbort } from "./destroy-on-abort.ts";
import { fileCall, fileError } from "./file-error.ts";
import { isAbsent, readStat } from "./file-stat.ts";
import { chmodFolder } from "./folder-descriptor.ts";
import { folderNames } from "./folder-names.ts";
import { packStream } from "./pack-stream.ts";
import { readStream } from "./read-stream.ts";
import { refuseRoot, removeTree } from "./remove-tree.ts";
import type { FolderHandle, Owner, TreeAccess } from "./tree-access.ts";
import { joinPath, splitPath } from "./tree-path.ts";
import { unpackStream } from "./unpack-stream.ts";
import { yieldRegularly } from "./yield-regularly.ts";

/** Symlinks that are followed, as many as the kernel follows: path_resolution(7). */
const MAX_LINKS = 40;
const CHUNK = 256 * 1024;

/**
 * The contract's file operations over a local tree. `read`, `write`, `list` and the folders of every path follow
 * symlinks as seen from inside; a write through a symlink writes the file that it points to. Metadata calls are
 * synchronous: they take microseconds each, and nothing changes between their steps in this process.
 */
export class LocalFiles implements FileOperations {
  readonly #access: TreeAccess;
  readonly #findOwner: () => Promise<Owner>;

  /** `owner`: of what is made without a stated owner. Default 0:0. */
  constructor(access: TreeAccess, options: { readonly owner?: (() => Promise<Owner>) | undefined } = {}) {
    this.#access = access;
    this.#findOwner = options.owner ?? (async () => ({ uid: 0, gid: 0 }));
  }

  /** The owner of what is made without a stated one. */
  owner(): Promise<Owner> {
    return this.#findOwner();
  }

  /** The bytes of a regular file, from its start; other things are not opened. */
  read(path: string, options: Abortable = {}): Promise<Readable> {
    return fileCall("read", path, () => {
      options.signal?.throwIfAborted();
      return readStream(this.#access.openFile(path), path, { ...options, chunk: CHUNK });
    });
  }

  write(
    path: string,
    options: OwnerOptions = {},
  ): Promise<{ readonly stream: Writable; readonly done: Promise<void> }> {
    return fileCall("write", path, async () => {
      const owner = await this.#ownerOf(options);
      options.signal?.throwIfAborted();
      const { folder, name } = this.#follow(path);
      try {
        return this.#writeAt(path, folder, name, { options, owner });
      } catch (error) {
        folder[Symbol.dispose]();
        throw error;
      }
    });
  }

  /** The facts of a file; a symlink at the end of `path` is not followed. */
  stat(path: string, options: Abortable = {}): Promise<FileStat> {
    return fileCall("stat", path, () => {
      options.signal?.throwIfAborted();
      // A slash at the end asks for a folder, also through a symlink: path_resolution(7).
      const exact = path.endsWith("/") ? `${path}.` : path;
      return this.#within(exact, (folder, name) => readStat(this.#access, folder.path(name)));
    });
  }

  /** The entries of a folder. */
  list(path: string, options: Abortable = {}): Promise<Readable> {
    return fileCall("list", path, () => {
      options.signal?.throwIfAborted();
      const folder = this.#access.openFolder(path);
      const stream = Readable.from(this.#entries(path, folder, options.signal), { objectMode: true });
      // Not only in the generator, which never runs when there is no reader; by now it has come to its end.
      stream.once("close", () => folder[Symbol.dispose]());
      // A reader sees the failure all the same. Without one, after an abort, it must not be an uncaught error.
      stream.on("error", () => undefined);
      destroyOnAbort(stream, options.signal);
      return stream;
    });
  }

  /** Makes a folder; with `recursive` also its parents. */
  mkdir(path: string, options: MkdirOptions = {}): Promise<void> {
    return fileCall("mkdir", path, async () => {
      const facts = { ...options, ...(await this.#ownerOf(options)) };
      options.signal?.throwIfAborted();
      const parts = path.split("/").filter((part) => part !== "" && part !== ".");
      if (options.recursive) {
        for (let depth = 1; depth <= parts.length; depth += 1) {
          const mode = depth === parts.length ? options.mode : undefined;
          const existing = depth === parts.length ? "last" : "parent";
          this.#makeFolder(`/${parts.slice(0, depth).join("/")}`, { ...facts, mode }, existing);
        }
      } else this.#makeFolder(path, facts);
    });
  }

  /** Removes a file or an empty folder; with `recursive` a folder with everything in it. */
  remove(path: string, options: RemoveOptions = {}): Promise<void> {
    return fileCall("remove", path, async () => {
      options.signal?.throwIfAborted();
      if (options.recursive) return await removeTree(this.#access, path, options);
      this.#within(path, (folder, name) => {
        if (name === ".") {
          refuseRoot(this.#access, folder, path);
          throw systemError("EBUSY", path);
        }
        const at = folder.path(name);
        const isFolder = lstatSync(at).isDirectory();
        if (!isFolder && path.endsWith("/")) throw systemError("ENOTDIR", path);
        this.#access.change(folder, name, () => (isFolder ? rmdirSync(at) : unlinkSync(at)));
      });
    });
  }

  readTree(path: string, options: Abortable = {}): Promise<Readable> {
    return fileCall("read", path, () => {
      options.signal?.throwIfAborted();
      // A slash at the end asks for a folder, as in `stat`.
      return packStream(this.#access, path.endsWith("/") ? `${path}.` : path, options);
    });
  }

  writeTree(
    path: string,
    options: Abortable = {},
  ): Promise<{ readonly stream: Writable; readonly done: Promise<void> }> {
    return fileCall("write", path, () => {
      options.signal?.throwIfAborted();
      return unpackStream(this.#access, path, options);
    });
  }

  async #ownerOf({ uid, gid }: OwnerOptions): Promise<Owner> {
    if (uid !== undefined && gid !== undefined) return { uid, gid };
    const owner = await this.#findOwner();
    return { uid: uid ?? owner.uid, gid: gid ?? owner.gid };
  }

  /** The file that a write replaces. A write replaces no folder, device, fifo or socket. */
  #existing(at: Buffer, path: string): FileStat | undefined {
    try {
      const stat = readStat(this.#access, at);
      if (stat.type === "file") return stat;
      throw systemError(stat.type === "directory" ? "EISDIR" : "EINVAL", path);
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
  }

  async *#entries(path: string, folder: FolderHandle, signal: AbortSignal | undefined): AsyncGenerator<DirectoryEntry> {
    const yieldNow = yieldRegularly(signal);
    try {
      for (const name of folderNames(folder)) {
        await yieldNow();
        yield* this.#entry(folder, name);
      }
    } catch (error) {
      throw fileError("list", path, error);
    }
  }

  #entry(folder: FolderHandle, name: Buffer): DirectoryEntry[] {
    try {
      return [{ name: nameText(name), ...readStat(this.#access, folder.path(name)) }];
    } catch (error) {
      // Removed since the folder was read.
      if (isAbsent(error)) return [];
      throw error;
    }
  }

  /** With `existing` it accepts an existing folder, or a symlink to one, at the last component or at a parent. */
  #makeFolder(path: string, options: OwnerOptions & Owner, existing?: "parent" | "last"): void {
    this.#within(path, (folder, name) => {
      const at = folder.path(name);
      try {
        this.#access.create(at, options, () => mkdirSync(at, 0o700));
      } catch (error) {
        if (existing === undefined || (error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
        try {
          this.#access.openFolder(path)[Symbol.dispose]();
        } catch (refused) {
          throw existing === "last" ? error : refused;
        }
        return;
      }
      chmodFolder(at, options.mode ?? 0o755);
    });
  }

  #within<T>(path: string, act: (folder: FolderHandle, name: string) => T): T {
    const { parent, name } = splitPath(path);
    const folder = this.#access.openFolder(parent);
    try {
      return act(folder, name);
    } finally {
      folder[Symbol.dispose]();
    }
  }

  /** The folder and the name that a path leads to once the symlinks in its last component are followed. */
  #follow(path: string): { readonly folder: FolderHandle; readonly name: string } {
    let at = path;
    for (let hop = 0; hop < MAX_LINKS; hop += 1) {
      const { parent, name } = splitPath(at);
      const folder = this.#access.openFolder(parent);
      let target: string | undefined;
      try {
        // As open(2) with O_CREAT.
        if (at.endsWith("/")) throw systemError("EISDIR", path);
        target = readTarget(folder.path(name));
      } catch (error) {
        folder[Symbol.dispose]();
        throw error;
      }
      if (target === undefined) return { folder, name };
      folder[Symbol.dispose]();
      at = target.startsWith("/") ? target : joinPath(parent, target);
    }
    throw systemError("ELOOP", path);
  }

  #writeAt(path: string, folder: FolderHandle, name: string, wanted: { options: OwnerOptions; owner: Owner }) {
    const { options, owner } = wanted;
    const { uid, gid, mode } = this.#existing(folder.path(name), path) ?? { ...owner, mode: 0o644 };
    const facts = { uid: options.uid ?? uid, gid: options.gid ?? gid, mode: options.mode ?? mode };
    const pending = openPending(this.#access, folder, name, facts);
    const stream = createWriteStream("", { fd: pending.fd, highWaterMark: CHUNK, fs: LEFT_OPEN });
    destroyOnAbort(stream, options.signal);
    const closed = new Promise<void>((resolve) => {
      stream.once("error", () => undefined);
      stream.once("close", resolve);
    });
    const settle = async () => {
      await closed;
      try {
        if (stream.writableFinished && !options.signal?.aborted) return await pending.commit();
        options.signal?.throwIfAborted();
        if (stream.errored !== null) throw stream.errored;
        pending.discard();
      } catch (error) {
        pending.discard();
        throw error;
      } finally {
        closeSync(pending.fd);
        folder[Symbol.dispose]();
      }
    };
    const done = fileCall("write", path, settle);
    // A caller that destroys the stream may ignore the outcome.
    done.catch(() => undefined);
    return { stream, done };
  }
}

/** Lets a stream leave its descriptor open, which is still needed when the stream has ended. */
const LEFT_OPEN = { open, write, writev, close: (_fd: number, done: (error: Error | null) => void) => done(null) };

function readTarget(path: Buffer): string | undefined {
  try {
    return nameText(readlinkSync(path, "buffer"));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EINVAL" || code === "ENOENT") return undefined;
    throw error;
  }
}
