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
import { Transform, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { extract, type Headers } from "tar-stream";
import { openPending, temporaryName } from "./atomic-write.ts";
import { fileError } from "./file-error.ts";
import { isAbsent } from "./file-stat.ts";
import { chmodFolder } from "./folder-descriptor.ts";
import { systemError } from "./plain-access.ts";
import type { FolderHandle, Owner, TreeAccess } from "./tree-access.ts";
import { joinPath, splitPath } from "./tree-path.ts";

const writeAsync = promisify(write);
const SMALL = 64 * 1024;
/** More than any honest entry's names need: what exceeds it is an attempt to fill our memory. */
const MAX_EXTENSION = 1024 * 1024;

/** How what arrives is changed on its way. */
export interface UnpackOptions {
  readonly signal?: AbortSignal | undefined;
  /** Default: as the archive says. */
  readonly owner?: Owner | undefined;
  /** Permission bits that may be set. Default `0o7777`. */
  readonly modeMask?: number | undefined;
  /** What to do with fifos and devices: refuse the archive (default), or leave them out. */
  readonly special?: "refuse" | "skip" | undefined;
}

/**
 * Unpacks a tar written to `stream` at `path`: folders that exist (and symlinks to folders) stay as they are and are merged, other things are replaced, each file
 * atomically. Names that leave the tree are refused with `EINVAL`. `done` settles once all is in place with its times; a failure
 * or an abort leaves what had arrived.
 */
export function unpackStream(
  access: TreeAccess,
  path: string,
  options: UnpackOptions = {},
): { readonly stream: Writable; readonly done: Promise<void> } {
  const archive = extract();
  const guard = new ExtensionGuard();
  const unpacking = new Unpacking(access, path, options);
  const done = (async () => {
    const fed = pipeline(guard, archive, { signal: options.signal });
    // Its failure shows in the loop below.
    fed.catch(() => undefined);
    try {
      for await (const entry of archive) {
        guard.account(entry.header);
        await unpacking.add(entry.header, entry);
      }
      await fed;
      unpacking.finish();
    } catch (error) {
      if (!guard.destroyed) guard.destroy();
      await fed.catch(() => undefined);
      options.signal?.throwIfAborted();
      throw fileError("write", path, guard.fault ?? error);
    }
  })();
  done.catch(() => undefined);
  return { stream: guard, done };
}

/** Counts what the archive's entries explain; the rest can only be extension headers, which the parser holds in memory. */
class ExtensionGuard extends Transform {
  #unexplained = 0;
  fault: Error | undefined;

  account(header: Headers): void {
    // The parser would wait for ever for the end of less than nothing; where it cannot read a number it says null.
    if (!Number.isSafeInteger(header.size) || Number(header.size) < 0) throw systemError("EINVAL", header.name);
    this.#unexplained -= Math.ceil((header.size ?? 0) / 512) * 512;
  }

  override _transform(chunk: Buffer, _encoding: string, callback: (error?: Error | null, data?: Buffer) => void): void {
    this.#unexplained += chunk.length;
    this.fault = this.#unexplained > MAX_EXTENSION + this.readableLength ? systemError("EFBIG", "tar") : undefined;
    callback(this.fault, chunk);
  }
}

class Unpacking {
  readonly #access: TreeAccess;
  readonly #root: string;
  readonly #options: UnpackOptions;
  readonly #folders: { readonly path: string; readonly mtime: Date }[] = [];

  constructor(access: TreeAccess, root: string, options: UnpackOptions) {
    this.#access = access;
    this.#root = root;
    this.#options = options;
  }

  async add(header: Headers, content: AsyncIterable<Buffer>): Promise<void> {
    this.#options.signal?.throwIfAborted();
    const path = this.#locate(header.name);
    const { parent, name } = splitPath(path);
    const folder = this.#access.openFolder(parent);
    try {
      await this.#make(header, content, { folder, name, path });
    } catch (error) {
      throw fileError("write", path, error);
    } finally {
      folder[Symbol.dispose]();
    }
    // Unread content would hold back the entries after it.
    for await (const _ of content);
  }

  /** Folders get their times last: what is put into them changes those. */
  finish(): void {
    for (const { path, mtime } of this.#folders.reverse()) {
      this.#at(path, (folder, name) => lutimesSync(folder.path(name), mtime, mtime));
    }
  }

  async #make(
    header: Headers,
    content: AsyncIterable<Buffer>,
    at: { readonly folder: FolderHandle; readonly name: string; readonly path: string },
  ): Promise<void> {
    switch (header.type) {
      case "directory":
        return this.#makeFolder(header, at.folder.path(at.name), at.path);
      case "symlink":
        return this.#makeLink(at.folder, at.name, header);
      case "link":
        return this.#makeHardLink(at.folder, at.name, header.linkname ?? "");
      case "file":
      case "contiguous-file":
        return await this.#makeFile(at.folder, at.name, header, content);
      default:
        if (this.#options.special !== "skip") throw systemError("EINVAL", header.name);
    }
  }

  #makeFolder(header: Headers, at: string, path: string): void {
    const { owner, mode, mtime } = this.#facts(header);
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

  async #makeFile(folder: FolderHandle, name: string, header: Headers, content: AsyncIterable<Buffer>): Promise<void> {
    const { owner, mode, mtime } = this.#facts(header);
    const pending = openPending(this.#access, folder, name, { ...owner, mode });
    try {
      try {
        for await (const chunk of content) await writeAll(pending.fd, chunk);
        futimesSync(pending.fd, mtime, mtime);
      } finally {
        closeSync(pending.fd);
      }
      pending.commit();
    } catch (error) {
      pending.discard();
      throw error;
    }
  }

  #makeLink(folder: FolderHandle, name: string, header: Headers): void {
    const { owner, mtime } = this.#facts(header);
    this.#replace(folder, name, (at) => {
      this.#access.create(at, owner, () => symlinkSync(header.linkname ?? "", at));
      lutimesSync(at, mtime, mtime);
    });
  }

  #makeHardLink(folder: FolderHandle, name: string, target: string): void {
    this.#at(this.#locate(target), (from, existing) =>
      this.#replace(folder, name, (at) => linkSync(from.path(existing), at)),
    );
  }

  #replace(folder: FolderHandle, name: string, make: (at: string) => void): void {
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
  #locate(name: string): string {
    const parts = name.split("/").filter((part) => part !== "" && part !== ".");
    if (name.startsWith("/") || parts.includes("..") || name.includes("\0")) throw systemError("EINVAL", name);
    return joinPath(this.#root, parts.length === 0 ? "." : parts.join("/"));
  }

  #facts(header: Headers): { readonly owner: Owner; readonly mode: number; readonly mtime: Date } {
    return {
      owner: this.#options.owner ?? { uid: header.uid ?? 0, gid: header.gid ?? 0 },
      mode: (header.mode ?? 0o644) & (this.#options.modeMask ?? 0o7777),
      mtime: modified(header),
    };
  }
}

async function writeAll(fd: number, chunk: Buffer): Promise<void> {
  for (let at = 0; at < chunk.length; ) {
    at += chunk.length <= SMALL ? writeSync(fd, chunk, at) : (await writeAsync(fd, chunk, at)).bytesWritten;
  }
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
}

/** pax(1), "mtime": with a fraction, and instead of the header's. */
function modified(header: Headers & { readonly pax?: Readonly<Record<string, string>> | undefined }): Date {
  const seconds = Number(header.pax?.["mtime"] ?? Number.NaN);
  return Number.isFinite(seconds) ? new Date(seconds * 1000) : (header.mtime ?? new Date());
}
