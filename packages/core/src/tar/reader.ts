import type { TarEntry, TarEntryType } from "./entry.ts";
import { shown } from "./entry.ts";
import { BLOCK, isZeroBlock, parseTarHeader, TarFault, type TarHeader } from "./header.ts";
import { parsePax, paxXattrs } from "./pax.ts";
import { SparseMap } from "./sparse.ts";

/**
 * Receives what a reader finds, in the order of the archive. `data` gets the body of the file entry before it, in
 * pieces: for a file with holes, the parts in its `sparse`, one after the other.
 */
export interface TarSink {
  entry(entry: TarEntry): void;
  data(bytes: Buffer): void;
}

/** An entry whose map of holes goes on after its header, and the rest of the size that it states. */
interface Mapped {
  readonly entry: TarEntry;
  readonly map: SparseMap;
  body: number;
}

const TYPES: Readonly<Record<string, TarEntryType>> = {
  "0": "file",
  "1": "link",
  "2": "symlink",
  "3": "character",
  "4": "block",
  "5": "directory",
  "6": "fifo",
  // Contiguous files: for decades no system has treated them specially.
  "7": "file",
  // GNU tar's own form of a file with holes.
  S: "file",
};

/**
 * Most bytes of extensions before one entry. Valid paths and attributes need less: the kernel's limit for one attribute
 * is 64 KiB.
 */
const MAX_EXTENSION = 1024 * 1024;

/** Keys that a global header must not set: no writer uses them there, and readers disagree about them. */
const GLOBAL_REFUSED = /^(path|linkpath|size|GNU\.|SCHILY\.)/;

/**
 * Reads a tar as it arrives, in pieces of any size: ustar, pax, GNU long names, V7, files with holes; with or without
 * padding at its end. Multi-volume and incremental archives are refused.
 *
 * A fault names the entry, or the entry before it if it has no name yet; `refusal` turns it into the error that is
 * thrown. Errors of the sink are not changed. Memory is bounded: bodies pass through, names and attributes have a
 * limit.
 */
export class TarReader {
  readonly #refusal: (fault: TarFault) => Error;
  readonly #sink: TarSink;
  /** A header block that came in two pieces. */
  #partial: Buffer = Buffer.alloc(0);
  /** Remaining bytes of the body, then of the padding. */
  #body = 0;
  #padding = 0;
  /** Bytes of extensions since the last entry. */
  #extended = 0;
  /** Set while the body is that of an extension. */
  #extension: { readonly flag: string; readonly parts: Buffer[] } | undefined;
  #mapped: Mapped | undefined;
  #pax: Map<string, string> | undefined;
  #longName: string | undefined;
  #longTarget: string | undefined;
  #zeroBlocks = 0;
  #current = "";
  /** Whether `#current` is being read, or what comes after it. */
  #inside = false;
  #skip = false;

  constructor(refusal: (fault: TarFault) => Error, sink: TarSink) {
    this.#refusal = refusal;
    this.#sink = sink;
  }

  /** True once the two blocks that end an archive were read; later bytes are ignored. */
  get ended(): boolean {
    return this.#zeroBlocks >= 2;
  }

  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && !this.ended) {
      const left = chunk.length - at;
      if (this.#body > 0) {
        const take = Math.min(left, this.#body);
        this.#take(chunk.subarray(at, at + take));
        at += take;
      } else if (this.#padding > 0) {
        const take = Math.min(left, this.#padding);
        this.#padding -= take;
        at += take;
      } else if (this.#partial.length === 0 && left >= BLOCK) {
        this.#block(chunk.subarray(at, at + BLOCK));
        at += BLOCK;
      } else {
        const take = Math.min(left, BLOCK - this.#partial.length);
        this.#partial = Buffer.concat([this.#partial, chunk.subarray(at, at + take)]);
        at += take;
        if (this.#partial.length === BLOCK) {
          const block = this.#partial;
          this.#partial = Buffer.alloc(0);
          this.#block(block);
        }
      }
    }
  }

  /** Call it when nothing more comes. @throws the refusal if the archive breaks off in an entry */
  end(): void {
    // umoci 0.4.7 writes neither the end blocks nor the last padding: only a body or header that breaks off is a fault.
    if (this.#body === 0 && this.#mapped === undefined) this.#inside = false;
    if (this.#mapped !== undefined || this.#body > 0 || this.#partial.length > 0 || this.#pending())
      this.#fail("is cut off");
  }

  /** Whether an extension waits for its entry. */
  #pending(): boolean {
    return this.#pax !== undefined || this.#longName !== undefined || this.#longTarget !== undefined;
  }

  #take(bytes: Buffer): void {
    this.#body -= bytes.length;
    if (this.#extension === undefined) {
      if (!this.#skip) this.#sink.data(bytes);
      return;
    }
    const { flag, parts } = this.#extension;
    if (this.#body > 0) {
      // Copied, because its stream may reuse the chunk.
      parts.push(Buffer.from(bytes));
      return;
    }
    this.#extension = undefined;
    this.#guard(() => this.#extend(flag, parts.length === 0 ? bytes : Buffer.concat([...parts, bytes])));
  }

  #block(block: Buffer): void {
    const mapped = this.#mapped;
    if (mapped !== undefined) {
      this.#guard(() => this.#mapBlock(mapped, block));
      return;
    }
    this.#inside = false;
    if (isZeroBlock(block)) {
      this.#zeroBlocks++;
      if (this.#pending()) this.#fail("is announced by an extension, and missing");
      return;
    }
    if (this.#zeroBlocks > 0) this.#fail("comes after a lone empty block");
    this.#guard(() => this.#header(parseTarHeader(block)));
  }

  #header(header: TarHeader): void {
    this.#skip = false;
    if (header.size < 0) throw new TarFault("has a negative size");
    if ("xgXLK".includes(header.flag)) {
      if (header.size === 0 && (header.flag === "L" || header.flag === "K"))
        throw new TarFault("has an empty long name");
      this.#claim(header.size);
      if (header.size === 0) return;
      this.#follow(header.size);
      this.#extension = { flag: header.flag, parts: [] };
      return;
    }
    // GNU's volume label is a name, not a file.
    if (header.flag === "V") {
      this.#follow(header.size);
      this.#skip = true;
      return;
    }
    this.#entry(header);
  }

  #entry(header: TarHeader): void {
    const pax = this.#pax ?? new Map<string, string>();
    const name = pax.get("GNU.sparse.name") ?? pax.get("path") ?? this.#longName ?? header.name;
    this.#current = name;
    this.#inside = true;
    const type = TYPES[header.flag];
    if (type === undefined) throw new TarFault(`is of type ${shown(header.flag)}, which is unknown`);
    const map = SparseMap.of(header, pax);
    // A name that ends in a slash was V7's way to say directory; GNU tar and Go agree.
    const asDirectory = type === "file" && name.endsWith("/");
    const stated = natural(pax.get("size"), "size") ?? header.size;
    // Only files have data, whatever size an entry states: as in Go's reader (archive/tar, isHeaderOnly).
    const size = type === "file" ? stated : 0;
    if ((size > 0 && asDirectory) || (map !== undefined && (type !== "file" || asDirectory)))
      throw new TarFault("has a size, which only a file can have");
    const entry: TarEntry = {
      type: asDirectory ? "directory" : type,
      name,
      target: pax.get("linkpath") ?? this.#longTarget ?? header.target,
      mode: header.mode,
      uid: owner(natural(pax.get("uid"), "uid") ?? header.uid),
      gid: owner(natural(pax.get("gid"), "gid") ?? header.gid),
      mtime: time(pax.get("mtime") ?? String(header.mtime)),
      size: map?.size ?? size,
      xattrs: paxXattrs(pax),
    };
    this.#pax = undefined;
    this.#longName = undefined;
    this.#longTarget = undefined;
    this.#extended = 0;
    if (map === undefined || map.complete) this.#give(entry, map, size);
    else this.#mapped = { entry, map, body: size };
  }

  #mapBlock(mapped: Mapped, block: Buffer): void {
    const { entry, map } = mapped;
    this.#claim(BLOCK);
    if (map.inBody) mapped.body -= BLOCK;
    if (mapped.body < 0) throw new TarFault("has a sparse map that contradicts its size");
    map.block(block);
    if (!map.complete) return;
    this.#mapped = undefined;
    this.#extended = 0;
    this.#give(entry, map, mapped.body);
  }

  #give(entry: TarEntry, map: SparseMap | undefined, body: number): void {
    const sparse = map?.extents(body);
    this.#follow(body);
    this.#sink.entry(sparse === undefined ? entry : { ...entry, sparse });
  }

  #claim(bytes: number): void {
    this.#extended += bytes;
    if (this.#extended > MAX_EXTENSION)
      throw new TarFault(`has an extension of ${this.#extended} bytes`, { tooLarge: true });
  }

  #extend(flag: string, body: Buffer): void {
    if (flag === "L" || flag === "K") {
      const end = body.indexOf(0);
      const text = body.toString("latin1", 0, end < 0 ? body.length : end);
      if (flag === "L") this.#longName = text;
      else this.#longTarget = text;
      return;
    }
    const records = parsePax(body);
    if (flag === "g") {
      const refused = [...records.keys()].find((key) => GLOBAL_REFUSED.test(key));
      if (refused !== undefined) throw new TarFault(`has ${shown(refused)} in a global header`);
      return;
    }
    this.#pax = this.#pax === undefined ? records : new Map([...this.#pax, ...records]);
  }

  #follow(size: number): void {
    this.#body = size;
    this.#padding = (BLOCK - (size % BLOCK)) % BLOCK;
  }

  #guard(step: () => void): void {
    try {
      step();
    } catch (error) {
      if (error instanceof TarFault) this.#fail(error.message, error.tooLarge);
      throw error;
    }
  }

  #fail(why: string, tooLarge = false): never {
    const subject =
      this.#current === ""
        ? "the first tar entry"
        : `the tar entry ${this.#inside ? "" : "after "}${shown(this.#current)}`;
    throw this.#refusal(new TarFault(`${subject} ${why}`, { tooLarge }));
  }
}

function natural(text: string | undefined, field: string): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^[0-9]{1,16}$/.test(text) || !Number.isSafeInteger(value)) throw new TarFault(`has a ${field} out of range`);
  return value;
}

function owner(id: number): number {
  // (uid_t)-1 means "leave it" to chown(2).
  if (id < 0 || id >= 0xffffffff) throw new TarFault("has an owner out of range");
  return id;
}

function time(text: string): string {
  if (!/^-?[0-9]{1,15}(\.[0-9]{1,30})?$/.test(text)) throw new TarFault("has a time out of range");
  return text;
}
