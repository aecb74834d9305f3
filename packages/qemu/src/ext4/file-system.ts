import { setImmediate } from "node:timers/promises";
import { ImageError } from "@pileus/core";
import type { ByteSource } from "../disk/byte-source.ts";
import { readJournal } from "./journal.ts";
import { type Layout, parseLayout } from "./layout.ts";

export type FileType = "file" | "directory" | "symlink" | "other";

export interface Inode {
  readonly type: FileType;
  readonly size: number;
  /** Differs after each change of the file: its number, its size, and when it was changed. */
  readonly mark: string;
  /** Where its data is: the root of its tree of extents, or the target of a short link. */
  readonly map: Buffer;
  readonly hasExtents: boolean;
}

export interface Entry {
  readonly inode: number;
  readonly type: FileType;
}

const ROOT = 2;
const EXTENTS = 0x80000;
/** inode(7), the file type in st_mode, shifted by 12 bits. */
const TYPES: Readonly<Record<number, FileType>> = { 4: "directory", 8: "file", 10: "symlink" };
/** The types of directory entries: "Linear (Classic) Directories". */
const ENTRY_TYPES: Readonly<Record<number, FileType>> = { 1: "file", 2: "directory", 7: "symlink" };

/** As the kernel (path_resolution(7)). */
const MAX_LINKS = 40;
const MAX_TARGET = 4096;
const MAX_DIRECTORY = 2 ** 22;
/** How much of a folder is parsed before other work gets its turn. */
const SLICE = 2 ** 16;

/**
 * The most bytes that are read of one file system. The content is hostile: this bounds the time and ends each circle.
 */
const MAX_READ = 2 ** 28;
/** A journal is made in few pieces, and of at most 1 GiB (mke2fs(8)). */
const MAX_JOURNAL = { extents: 1024, blocks: 2 ** 18 };

/**
 * Reads files of an ext4 file system that is not mounted, in this process and without a tool: Linux,
 * Documentation/filesystems/ext4. What a journal holds is taken into account. Nothing is written.
 *
 * @throws {ImageError} by each method: if the file system is damaged, or has features that are not read.
 */
export class Ext4 {
  readonly #source: ByteSource;
  readonly #path: string;
  readonly #layout: Layout;
  #replayed: ReadonlyMap<number, () => Promise<Buffer>> = new Map();
  #left = MAX_READ;

  private constructor(source: ByteSource, path: string, layout: Layout) {
    this.#source = source;
    this.#path = path;
    this.#layout = layout;
  }

  /** @param path For errors. */
  static async open(source: ByteSource, path: string): Promise<Ext4> {
    const layout = parseLayout(await source.read(1024, 1024), path);
    const system = new Ext4(source, path, layout);
    if (layout.journal !== undefined) await system.#replay(layout.journal);
    return system;
  }

  /** What a path leads to, through symbolic links that stay in this file system. */
  async find(path: string): Promise<Inode | undefined> {
    const pending = path.split("/");
    const trail = [await this.#inode(ROOT)];
    for (let links = 0; pending.length > 0; ) {
      const name = pending.shift();
      if (name === "" || name === ".") continue;
      if (name === "..") {
        if (trail.length > 1) trail.pop();
        continue;
      }
      const folder = trail.at(-1);
      if (folder?.type !== "directory") return undefined;
      const entry = (await this.list(folder)).get(name ?? "");
      if (entry === undefined) return undefined;
      const inode = await this.#inode(entry.inode);
      if (inode.type === "symlink") {
        if (++links > MAX_LINKS) return undefined;
        const target = await this.#target(inode);
        if (target.startsWith("/")) trail.length = 1;
        pending.unshift(...target.split("/"));
      } else trail.push(inode);
    }
    return trail.at(-1);
  }

  /** The entries of a folder, except `.` and `..`. */
  async list(folder: Inode): Promise<ReadonlyMap<string, Entry>> {
    const entries = new Map<string, Entry>();
    const bytes = await this.read(folder, { max: MAX_DIRECTORY });
    for (let at = 0, turn = SLICE; at + 8 <= bytes.length; ) {
      if (at > turn) {
        await setImmediate();
        turn = at + SLICE;
      }
      const length = bytes.readUInt16LE(at + 4);
      if (length < 8 || at + length > bytes.length) throw this.#damaged();
      const inode = bytes.readUInt32LE(at);
      const name = bytes.toString("utf8", at + 8, at + 8 + Math.min(bytes.readUInt8(at + 6), length - 8));
      const type = ENTRY_TYPES[bytes.readUInt8(at + 7)] ?? "other";
      // Entries without an inode are empty; the hidden blocks of an index consist of such.
      if (inode !== 0 && name !== "." && name !== ".." && !/[/\0]/.test(name)) entries.set(name, { inode, type });
      at += length;
    }
    return entries;
  }

  /** @throws {ImageError} if it is larger than `max` bytes. `length`: only so many bytes of its beginning. */
  async read(inode: Inode, options: { readonly max: number; readonly length?: number }): Promise<Buffer> {
    if (inode.size > options.max) throw this.#damaged();
    const size = Math.min(inode.size, options.length ?? inode.size);
    const bytes = Buffer.alloc(size);
    const { blockSize } = this.#layout;
    if (!inode.hasExtents && size > 0) throw this.#damaged();
    for await (const { first, length, start } of this.#extents(inode.map, size)) {
      const at = first * blockSize;
      if (start === undefined) continue;
      (await this.#blocks(start, Math.min(length, Math.ceil((size - at) / blockSize)))).copy(bytes, at);
    }
    return bytes;
  }

  async inodeOf({ inode }: Entry): Promise<Inode> {
    return this.#inode(inode);
  }

  async #replay(journal: number): Promise<void> {
    const inode = await this.#inode(journal);
    const { blockSize } = this.#layout;
    const length = Math.ceil(inode.size / blockSize);
    if (length > MAX_JOURNAL.blocks) throw this.#damaged();
    const extents: Extent[] = [];
    for await (const extent of this.#extents(inode.map, inode.size)) {
      if (extents.push(extent) > MAX_JOURNAL.extents) throw this.#damaged();
    }
    const read = async (block: number) => {
      const extent = extents.find(({ first, length }) => block >= first && block < first + length);
      if (extent?.start === undefined) throw this.#damaged();
      // As it is on the disk: a journal that says to replace its own blocks would be read in a circle.
      return this.#stored(extent.start + block - extent.first, 1);
    };
    this.#replayed = await readJournal({ length, read, path: this.#path });
  }

  async #inode(number: number): Promise<Inode> {
    const { blockSize, inodesPerGroup, inodeSize, descriptorSize, descriptors, inodes } = this.#layout;
    if (number < 1 || number > inodes) throw this.#damaged();
    const group = Math.floor((number - 1) / inodesPerGroup);
    const descriptor = await this.#bytes(descriptors * blockSize + group * descriptorSize, descriptorSize);
    const table = descriptor.readUInt32LE(8) + (descriptorSize > 32 ? descriptor.readUInt32LE(40) * 2 ** 32 : 0);
    const bytes = await this.#bytes(table * blockSize + ((number - 1) % inodesPerGroup) * inodeSize, inodeSize);
    // Inodes of 128 bytes have no fractions of seconds.
    const changed = [bytes.readUInt32LE(12), inodeSize > 128 ? bytes.readUInt32LE(132) : 0];
    const size = bytes.readUInt32LE(4) + bytes.readUInt32LE(108) * 2 ** 32;
    return {
      size,
      mark: [number, size, ...changed].join(" "),
      type: TYPES[bytes.readUInt16LE(0) >> 12] ?? "other",
      map: bytes.subarray(40, 100),
      hasExtents: (bytes.readUInt32LE(32) & EXTENTS) !== 0,
    };
  }

  async #target(link: Inode): Promise<string> {
    if (link.hasExtents) return (await this.read(link, { max: MAX_TARGET })).toString("utf8");
    if (link.size > link.map.length) throw this.#damaged();
    return link.map.toString("utf8", 0, link.size);
  }

  /** The parts of a file of `size` bytes, in their order. As none overlaps another, their number is bounded. */
  async *#extents(map: Buffer, size: number): AsyncGenerator<Extent> {
    let end = 0;
    for await (const extent of this.#leaves(map)) {
      if (extent.first < end || extent.length === 0) throw this.#damaged();
      if (extent.first * this.#layout.blockSize >= size) return;
      end = extent.first + extent.length;
      yield extent;
    }
  }

  /** The leaves of a tree of extents, whose root has at most five levels below it. */
  async *#leaves(node: Buffer, expected?: number): AsyncGenerator<Extent> {
    const levels = node.readUInt16LE(6);
    const count = node.readUInt16LE(2);
    const wrong = levels > 5 || (expected !== undefined && levels !== expected);
    if (node.readUInt16LE(0) !== 0xf30a || wrong || 12 * (count + 1) > node.length) throw this.#damaged();
    for (let at = 12; at <= 12 * count; at += 12) {
      const first = node.readUInt32LE(at);
      if (levels > 0) {
        const child = node.readUInt16LE(at + 8) * 2 ** 32 + node.readUInt32LE(at + 4);
        yield* this.#leaves(await this.#blocks(child, 1), levels - 1);
        continue;
      }
      const length = node.readUInt16LE(at + 4);
      const start = node.readUInt16LE(at + 6) * 2 ** 32 + node.readUInt32LE(at + 8);
      // Longer ones are reserved, and have no content yet.
      if (length <= 2 ** 15) yield { first, length, start };
      else yield { first, length: length - 2 ** 15, start: undefined };
    }
  }

  /** Bytes that do not cross the end of a block. */
  async #bytes(offset: number, length: number): Promise<Buffer> {
    const { blockSize } = this.#layout;
    const block = await this.#blocks(Math.floor(offset / blockSize), 1);
    return block.subarray(offset % blockSize, (offset % blockSize) + length);
  }

  async #blocks(start: number, count: number): Promise<Buffer> {
    const { blockSize } = this.#layout;
    const bytes = await this.#stored(start, count);
    if (this.#replayed.size === 0) return bytes;
    for (let index = 0; index < count; index++) {
      const newer = await this.#replayed.get(start + index)?.();
      newer?.copy(bytes, index * blockSize);
    }
    return bytes;
  }

  /** Blocks without what the journal has of them. */
  async #stored(start: number, count: number): Promise<Buffer> {
    const { blockSize } = this.#layout;
    if (!Number.isSafeInteger((start + count) * blockSize)) throw this.#damaged();
    this.#left -= count * blockSize;
    if (this.#left < 0) throw new ImageError(this.#path, "its root file system has too much to read");
    return this.#source.read(start * blockSize, count * blockSize);
  }

  #damaged(): ImageError {
    return new ImageError(this.#path, "its root file system is damaged");
  }
}

interface Extent {
  /** In the file. */
  readonly first: number;
  readonly length: number;
  /** On the disk; `undefined` if it has no content. */
  readonly start: number | undefined;
}
