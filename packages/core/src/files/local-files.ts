import {
  createReadStream,
  createWriteStream,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  rmdirSync,
  unlinkSync,
} from "node:fs";
import { addAbortSignal, type Readable, type Writable } from "node:stream";
import type { Abortable } from "../contract/abortable.ts";
import type {
  DirectoryEntry,
  FileOperations,
  FileStat,
  MkdirOptions,
  OwnerOptions,
  RemoveOptions,
} from "../contract/files.ts";
import { openPending } from "./atomic-write.ts";
import { nameText } from "./byte-name.ts";
import { fileCall, fileError } from "./file-error.ts";
import { isAbsent, readStat } from "./file-stat.ts";
import { chmodFolder } from "./folder-descriptor.ts";
import { packTree } from "./pack-tree.ts";
import { systemError } from "./plain-access.ts";
import { removeTree } from "./remove-tree.ts";
import type { FolderHandle, TreeAccess } from "./tree-access.ts";
import { joinPath, splitPath } from "./tree-path.ts";
import { everySoOften } from "./turn.ts";
import { unpackStream } from "./unpack-stream.ts";

/** As the kernel: path_resolution(7). */
const MAX_LINKS = 40;
const CHUNK = 256 * 1024;

/**
 * The contract's file operations over a local tree. `read`, `write`, `list` and the folders on the way to anything follow symlinks
 * as seen from inside; what is written through a symlink is the file that it points to. Metadata calls are synchronous: they take
 * microseconds each, and what they act on is then fixed.
 */
export class LocalFiles implements FileOperations {
  readonly #access: TreeAccess;

  constructor(access: TreeAccess) {
    this.#access = access;
  }

  read(path: string, options: Abortable = {}): Promise<Readable> {
    return fileCall("read", path, () => {
      options.signal?.throwIfAborted();
      const stream = createReadStream("", { fd: this.#access.openFile(path), highWaterMark: CHUNK });
      // Whoever reads sees a failure; one who has left by an abort must not be followed by it.
      stream.on("error", () => undefined);
      return options.signal === undefined ? stream : addAbortSignal(options.signal, stream);
    });
  }

  write(
    path: string,
    options: OwnerOptions = {},
  ): Promise<{ readonly stream: Writable; readonly done: Promise<void> }> {
    return fileCall("write", path, () => {
      options.signal?.throwIfAborted();
      const { folder, name } = this.#follow(path);
      try {
        return this.#writeAt(path, folder, name, options);
      } catch (error) {
        folder[Symbol.dispose]();
        throw error;
      }
    });
  }

  stat(path: string, options: Abortable = {}): Promise<FileStat> {
    return fileCall("stat", path, () => {
      options.signal?.throwIfAborted();
      return this.#within(path, (folder, name) => readStat(this.#access, folder.path(name)));
    });
  }

  list(path: string, options: Abortable = {}): Promise<readonly DirectoryEntry[]> {
    return fileCall("list", path, async () => {
      options.signal?.throwIfAborted();
      const folder = this.#access.openFolder(path);
      try {
        const turn = everySoOften(options.signal);
        const entries: DirectoryEntry[] = [];
        for (const name of readdirSync(folder.path("."), "buffer")) {
          await turn();
          entries.push(...this.#entry(folder, name));
        }
        return entries;
      } finally {
        folder[Symbol.dispose]();
      }
    });
  }

  mkdir(path: string, options: MkdirOptions = {}): Promise<void> {
    return fileCall("mkdir", path, () => {
      options.signal?.throwIfAborted();
      const parts = path.split("/").filter((part) => part !== "" && part !== ".");
      if (options.recursive) {
        for (let depth = 1; depth <= parts.length; depth += 1) {
          this.#makeFolder(`/${parts.slice(0, depth).join("/")}`, options, true);
        }
      } else this.#makeFolder(path, options, false);
    });
  }

  remove(path: string, options: RemoveOptions = {}): Promise<void> {
    return fileCall("remove", path, async () => {
      options.signal?.throwIfAborted();
      if (options.recursive) return await removeTree(this.#access, path, options);
      this.#within(path, (folder, name) => {
        if (name === ".") throw systemError("EBUSY", path);
        const at = folder.path(name);
        if (lstatSync(at).isDirectory()) rmdirSync(at);
        else unlinkSync(at);
      });
    });
  }

  readTree(path: string, options: Abortable = {}): Promise<Readable> {
    return fileCall("read", path, () => {
      options.signal?.throwIfAborted();
      return packTree(this.#access, path, options);
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

  #entry(folder: FolderHandle, name: Buffer): DirectoryEntry[] {
    try {
      return [{ name: nameText(name), ...readStat(this.#access, folder.path(name)) }];
    } catch (error) {
      // Removed since the folder was read.
      if (isAbsent(error)) return [];
      throw error;
    }
  }

  #makeFolder(path: string, options: OwnerOptions, existing: boolean): void {
    this.#within(path, (folder, name) => {
      const at = folder.path(name);
      try {
        this.#access.create(at, { uid: options.uid ?? 0, gid: options.gid ?? 0 }, () => mkdirSync(at, 0o700));
      } catch (error) {
        if (!existing || (error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
        // Content with a folder, or a symlink to one; opening refuses the rest.
        this.#access.openFolder(path)[Symbol.dispose]();
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

  #writeAt(path: string, folder: FolderHandle, name: string, options: OwnerOptions) {
    refuseOther(folder.path(name), path);
    const facts = { uid: options.uid ?? 0, gid: options.gid ?? 0, mode: options.mode ?? 0o644 };
    const pending = openPending(this.#access, folder, name, facts);
    const stream = createWriteStream("", { fd: pending.fd, highWaterMark: CHUNK });
    if (options.signal !== undefined) addAbortSignal(options.signal, stream);
    const done = new Promise<void>((resolve, reject) => {
      stream.once("error", () => undefined);
      stream.once("close", () => {
        try {
          if (stream.writableFinished && stream.errored === null) pending.commit();
          else pending.discard();
          // An abort shows its own reason, which the stream has wrapped.
          if (options.signal?.aborted && !stream.writableFinished) reject(options.signal.reason);
          else if (stream.errored !== null) reject(fileError("write", path, stream.errored));
          else resolve();
        } catch (error) {
          pending.discard();
          reject(fileError("write", path, error));
        } finally {
          folder[Symbol.dispose]();
        }
      });
    });
    // A caller who destroys the stream need not look at the outcome.
    done.catch(() => undefined);
    return { stream, done };
  }
}

function readTarget(path: Buffer): string | undefined {
  try {
    return nameText(readlinkSync(path, "buffer"));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EINVAL" || code === "ENOENT") return undefined;
    throw error;
  }
}

/** Only a regular file is replaced by a write: never a folder, a device, a fifo or a socket. */
function refuseOther(at: Buffer, path: string): void {
  try {
    const stat = lstatSync(at);
    if (stat.isFile()) return;
    throw systemError(stat.isDirectory() ? "EISDIR" : "EINVAL", path);
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
}
