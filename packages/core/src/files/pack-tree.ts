import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  read,
  readlinkSync,
  readSync,
  type Stats,
  statSync,
} from "node:fs";
import { promisify } from "node:util";
import { FileError } from "../errors/all.ts";
import { systemError } from "../errors/system-error.ts";
import type { Abortable } from "../flow/abortable.ts";
import type { Extent, TarEntry } from "../tar/entry.ts";
import { BLOCK } from "../tar/header.ts";
import { mtimeText } from "../tar/time.ts";
import { TarWriter } from "../tar/writer.ts";
import { nameBytes, nameText } from "../text/byte-name.ts";
import { ChunkPool } from "./chunk-pool.ts";
import { Descent, factsOf, identityOf } from "./descent.ts";
import { readNames } from "./folder-names.ts";
import type { FolderHandle, TreeAccess } from "./tree-access.ts";
import { joinPath, MAX_NAME, splitPath } from "./tree-path.ts";
import { NO_XATTRS, readXattrs } from "./xattrs.ts";
import { yieldRegularly } from "./yield-regularly.ts";

const readAsync = promisify(read);
/** Files of up to this many bytes are read synchronously: a trip through the thread pool costs more. */
const SMALL = 64 * 1024;
const CHUNK = 1024 * 1024;
/** How many bytes are collected before they are yielded. */
const GATHERED = 256 * 1024;
/** Most bytes of a file that states no size (/proc, /sys): it must be in memory before its size is known. */
const MAX_UNSIZED = 16 * 1024 * 1024;
/** Most parts of one file between its holes; the rest of a file with more parts is one part. */
const MAX_EXTENTS = 10_000;

export interface PackOptions extends Abortable {
  /** The name of the operation, for messages. */
  readonly verb: string;
  /** Packs what symlinks lead to, wherever that is. Never use it on a hostile tree. */
  readonly dereference?: boolean | undefined;
  /** Also packs file capabilities, not only the attributes `user.*`. */
  readonly capabilities?: boolean | undefined;
  /** Takes the memory of content from a pool: the reader gives each chunk back (chunk-pool.ts), or keeps it. */
  readonly reuse?: boolean | undefined;
  /** Makes the error for a failure at a path of the access. */
  failure(path: string, error: unknown): unknown;
  /** Called with the number of bytes of content that were read. */
  onContent?(bytes: number): void;
}

/** The folders below the root that are being packed. */
interface Level {
  /** The name of the folder with a slash, `""` for the root. */
  readonly prefix: string;
  /** The names that remain, the next one last. */
  readonly names: string[];
  /** Which of them were files: such a name is opened first, and checked only when it is open. */
  readonly files: ReadonlySet<string>;
}

/**
 * The tree at `path` as a POSIX pax tar: names relative to the root, sorted, parents before children; `"."` for the
 * root itself. Files, folders, symlinks and hard links are entries, and holes stay holes. Other things are left out,
 * because they would be of no use elsewhere, and so are files that vanish meanwhile. The walk goes by descriptors from
 * folder to folder, so it reaches nothing outside.
 *
 * Owns `folder`, which has the root under `name`.
 *
 * @throws {FileError} `EINVAL` if the root is none of these; `EIO` if a file shrinks while it is read.
 */
export async function* packEntries(
  access: TreeAccess,
  path: string,
  folder: FolderHandle,
  options: PackOptions,
): AsyncGenerator<Buffer, void> {
  const packing = new Packing(access, path, folder, options);
  try {
    yield* packing.archive();
  } finally {
    packing[Symbol.dispose]();
  }
}

/** Whether something can be packed as the root of a tree. */
export function assertPackable(stat: Stats, path: string): void {
  if (!stat.isFile() && !stat.isDirectory() && !stat.isSymbolicLink()) throw systemError("EINVAL", path);
}

class Packing implements Disposable {
  readonly #access: TreeAccess;
  readonly #path: string;
  readonly #options: PackOptions;
  readonly #descent: Descent;
  readonly #yieldNow: () => Promise<void> | undefined;
  readonly #writer = new TarWriter();
  readonly #scratch = Buffer.allocUnsafe(SMALL);
  /** The first name of each file that has several names. */
  readonly #names = new Map<string, string>();
  readonly #levels: Level[] = [];
  readonly #chunks: ChunkPool | undefined;

  constructor(access: TreeAccess, path: string, folder: FolderHandle, options: PackOptions) {
    this.#access = access;
    this.#path = path;
    this.#options = options;
    this.#chunks = options.reuse ? new ChunkPool(CHUNK) : undefined;
    this.#descent = new Descent(folder);
    this.#yieldNow = yieldRegularly(options.signal);
  }

  [Symbol.dispose](): void {
    this.#descent[Symbol.dispose]();
  }

  async *archive(): AsyncGenerator<Buffer, void> {
    yield* this.#add(nameBytes(splitPath(this.#path).name).toString("latin1"), ".", false);
    // No recursion: each chunk would pass through one generator for each level of its folder.
    for (let level = this.#levels.at(-1); level !== undefined; level = this.#levels.at(-1)) {
      const name = level.names.pop();
      if (name !== undefined) yield* this.#add(name, level.prefix + name, level.files.has(name));
      else {
        this.#levels.pop();
        this.#leave(level.prefix);
      }
      if (this.#writer.length >= GATHERED) yield this.#writer.take();
      await this.#yieldNow();
    }
    this.#writer.end();
    yield this.#writer.take();
  }

  /** `name` in the folder that the descent is in, as the entry `as`; both are byte strings. */
  async *#add(name: string, as: string, isFile: boolean): AsyncGenerator<Buffer, void> {
    try {
      const at = this.#descent.folder.path(Buffer.from(name, "latin1"));
      if (as.length > MAX_NAME) throw systemError("ENAMETOOLONG", "a tree of so many folders in each other");
      if (isFile) yield* this.#addFile(at, as);
      else {
        const found = this.#options.dereference ? statSync(at) : lstatSync(at);
        if (as === ".") assertPackable(found, this.#path);
        if (found.isDirectory()) await this.#addFolder(name, as);
        else if (found.isFile()) yield* this.#addFile(at, as);
        else if (found.isSymbolicLink()) this.#addSymlink(at, as);
      }
    } catch (error) {
      if (as !== "." && hasVanished(error) && !this.#isLink(name)) return;
      throw this.#failure(as, error);
    }
  }

  /** Whether symlinks are followed and this is one that leads nowhere or in a circle. */
  #isLink(name: string): boolean {
    if (!this.#options.dereference) return false;
    const at = this.#descent.folder.path(Buffer.from(name, "latin1"));
    return lstatSync(at, { throwIfNoEntry: false })?.isSymbolicLink() === true;
  }

  #leave(prefix: string): void {
    try {
      this.#descent.leave();
    } catch (error) {
      throw this.#failure(prefix || ".", error);
    }
  }

  async #addFolder(name: string, as: string): Promise<void> {
    if (this.#options.dereference) this.#descent.enterLinked(name);
    else this.#descent.enter(name);
    try {
      const { folder } = this.#descent;
      const { all, files } = await readNames(folder, this.#yieldNow);
      this.#entry(as, factsOf(folder), { type: "directory", xattrs: this.#xattrs(folder.path("."), "directory") });
      this.#levels.push({ prefix: as === "." ? "" : `${as}/`, names: all.reverse(), files });
    } catch (error) {
      this.#descent.leave();
      throw error;
    }
  }

  #addSymlink(at: Buffer, as: string): void {
    const stat = lstatSync(at, { bigint: true });
    if (stat.isSymbolicLink()) this.#entry(as, stat, { type: "symlink", target: readlinkSync(at, "latin1") });
  }

  async *#addFile(at: Buffer, as: string): AsyncGenerator<Buffer, void> {
    const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = constants;
    const follow = this.#options.dereference ? 0 : O_NOFOLLOW;
    const fd = openSync(at, O_RDONLY | follow | O_NONBLOCK | O_NOCTTY);
    try {
      const stat = fstatSync(fd, { bigint: true });
      if (!stat.isFile()) return;
      const first = this.#firstName(stat, as);
      if (first !== as) {
        this.#entry(as, stat, { type: "link", target: first });
        return;
      }
      const size = Number(stat.size);
      const xattrs = this.#xattrs(fd, "file");
      if (size > SMALL) {
        const sparse = this.#extents(fd, stat);
        this.#entry(as, stat, { type: "file", size, sparse, xattrs });
        for (const extent of sparse ?? [{ offset: 0, length: size }]) yield* this.#content(fd, as, extent);
      } else {
        const content = readToEnd(fd, size, this.#scratch);
        this.#entry(as, stat, { type: "file", size: content.length, xattrs });
        this.#writer.data(content);
        this.#options.onContent?.(content.length);
      }
    } finally {
      closeSync(fd);
    }
  }

  #xattrs(target: number | Buffer, type: "file" | "directory"): ReadonlyMap<string, string> {
    const { calls } = this.#access;
    return calls === undefined ? NO_XATTRS : readXattrs(calls, target, this.#options.capabilities ? type : "directory");
  }

  /** The header has promised this many bytes: a file that grows is cut. */
  async *#content(fd: number, as: string, { offset, length }: Extent): AsyncGenerator<Buffer, void> {
    const end = offset + length;
    for (let at = offset; at < end; ) {
      this.#options.signal?.throwIfAborted();
      const length = Math.min(CHUNK, end - at);
      const buffer = (length === CHUNK ? this.#chunks?.take() : undefined) ?? Buffer.allocUnsafe(length);
      const { bytesRead } = await readAsync(fd, buffer, 0, length, at);
      if (bytesRead === 0) {
        const { verb } = this.#options;
        throw new FileError({ verb, path: this.#pathOf(as), errno: "EIO", detail: "it shrank while it was read" });
      }
      at += bytesRead;
      this.#writer.data(buffer.subarray(0, bytesRead));
      this.#options.onContent?.(bytesRead);
      if (this.#writer.length >= GATHERED) yield this.#writer.take();
    }
  }

  /** The name under which this file was packed before, or its own. */
  #firstName(stat: BigIntStats, as: string): string {
    if (stat.nlink === 1n) return as;
    const key = identityOf(stat);
    const first = this.#names.get(key);
    if (first === undefined) this.#names.set(key, as);
    return first ?? as;
  }

  /** The parts of a file that has holes. */
  #extents(fd: number, { size, blocks }: BigIntStats): readonly Extent[] | undefined {
    const { calls } = this.#access;
    // st_blocks counts 512 bytes: stat(2). A file with shared or compressed blocks looks the same, and has one part.
    if (calls === undefined || blocks * 512n >= size) return undefined;
    const end = Number(size);
    const extents: Extent[] = [];
    for (let at = 0; at < end; ) {
      const next = extents.length === MAX_EXTENTS ? { offset: at, length: end - at } : calls.nextData(fd, at);
      if (next === undefined || next.offset >= end) break;
      // In whole blocks of the archive: SparseMap.
      const offset = next.offset - (next.offset % BLOCK);
      const length = Math.min(Math.ceil((next.offset + next.length) / BLOCK) * BLOCK, end) - offset;
      extents.push({ offset, length });
      at = offset + length;
    }
    return extents[0]?.length === end ? undefined : extents;
  }

  #entry(as: string, stat: BigIntStats, what: Pick<TarEntry, "type"> & Partial<TarEntry>): void {
    const { uid, gid } = this.#access.inside({ uid: Number(stat.uid), gid: Number(stat.gid) });
    const mode = Number(stat.mode) & 0o7777;
    const mtime = mtimeText(stat.mtimeNs);
    this.#writer.entry({ name: as, target: "", mode, uid, gid, mtime, size: 0, xattrs: NO_XATTRS, ...what });
  }

  #pathOf(as: string): string {
    return joinPath(this.#path, nameText(Buffer.from(as, "latin1")));
  }

  #failure(as: string, error: unknown): unknown {
    return this.#options.failure(this.#pathOf(as), error);
  }
}

/**
 * Whether the error means that the file has vanished, has become another kind of thing, or belonged to a process that
 * has ended.
 */
function hasVanished(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  // ENXIO: a socket is in its place.
  return code === "ENOENT" || code === "ENOTDIR" || code === "ELOOP" || code === "ENXIO" || code === "ESRCH";
}

/**
 * The whole content of a small file. Files of /proc and /sys state a size of zero or of a page, so they are read to
 * their end; other files up to their stated size.
 */
function readToEnd(fd: number, size: number, scratch: Buffer): Buffer {
  const enough = size > 0 ? size : MAX_UNSIZED;
  let into = scratch;
  let length = 0;
  for (;;) {
    const got = readSync(fd, into, length, Math.min(enough, into.length) - length, null);
    length += got;
    if (got === 0 || length === size) return Buffer.from(into.subarray(0, length));
    if (length === enough) throw systemError("EFBIG", "a file that does not state its size");
    if (length === into.length) into = Buffer.concat([into], 2 * length);
  }
}
