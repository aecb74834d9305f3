import { storedSize, type TarEntry } from "./entry.ts";
import { BLOCK } from "./header.ts";
import { paxXattrKey, renderPaxRecord } from "./pax.ts";
import { renderSparseMap } from "./sparse.ts";

const FLAGS = { file: "0", link: "1", symlink: "2", character: "3", block: "4", directory: "5", fifo: "6" } as const;
/** Bytes of one slab, which collects output before it is taken; it also holds a small file. */
const SLAB = 384 * 1024;
/** Larger content is passed on without a copy into a slab. */
const COPIED = 64 * 1024;
const NO_SLAB = Buffer.alloc(0);

/**
 * Writes tar in one canonical form, ustar with pax where ustar cannot say it, into memory that {@link take} empties.
 * Device numbers are always 0/0.
 */
export class TarWriter {
  /** Complete output. The bytes of the slab from `#from` to `#to` come after it. */
  #parts: Buffer[] = [];
  #slab = NO_SLAB;
  #from = 0;
  #to = 0;
  #padding = 0;
  #length = 0;
  #lastPaxHeader: { readonly length: number; readonly block: Buffer } | undefined;

  /** The number of bytes that {@link take} would return. */
  get length(): number {
    return this.#length;
  }

  entry(entry: TarEntry): void {
    this.#pad();
    const map = entry.sparse && renderSparseMap(entry.sparse);
    const stored = storedSize(entry) + (map?.length ?? 0);
    const records = paxRecords(entry, stored);
    if (records !== "") {
      this.data(this.#paxHeader(records.length));
      const at = this.#claim(records.length);
      this.#slab.write(records, at, "latin1");
      this.#padding = paddingOf(records.length);
      this.#pad();
    }
    const at = this.#claim(BLOCK);
    renderHeader(this.#slab, at, FLAGS[entry.type], entry, stored);
    if (map !== undefined) this.data(map);
    this.#padding = paddingOf(stored);
  }

  /** Writes content of the last entry. The bytes must not change until they are taken. */
  data(bytes: Buffer): void {
    if (bytes.length > COPIED) {
      this.#seal();
      this.#parts.push(bytes);
      this.#length += bytes.length;
    } else {
      const at = this.#claim(bytes.length);
      this.#slab.set(bytes, at);
    }
  }

  end(): void {
    this.#pad();
    this.#zeroes(2 * BLOCK);
  }

  /** Returns what was written since the last call. */
  take(): Buffer {
    this.#seal();
    const bytes = this.#parts.length === 1 ? (this.#parts[0] as Buffer) : Buffer.concat(this.#parts);
    this.#parts = [];
    this.#length = 0;
    // The rest of the slab is too small for the next output, which would be in two parts.
    if (this.#to > SLAB / 2) this.#slab = NO_SLAB;
    return bytes;
  }

  /** The length fields, cached by the length of a record: most records have the same few lengths. */
  #paxHeader(length: number): Buffer {
    if (this.#lastPaxHeader?.length !== length) {
      const block = Buffer.alloc(BLOCK);
      const facts = { name: "PaxHeaders/entry", target: "", mode: 0o644, uid: 0, gid: 0, mtime: "0" };
      renderHeader(block, 0, "x", facts, length);
      this.#lastPaxHeader = { length, block };
    }
    return this.#lastPaxHeader.block;
  }

  /** Reserves room in the slab; the caller must fill it at once. */
  #claim(length: number): number {
    if (this.#slab.length - this.#to < length) {
      this.#seal();
      this.#slab = Buffer.allocUnsafeSlow(Math.max(SLAB, length));
      this.#from = 0;
      this.#to = 0;
    }
    const at = this.#to;
    this.#to += length;
    this.#length += length;
    return at;
  }

  #seal(): void {
    if (this.#to > this.#from) this.#parts.push(this.#slab.subarray(this.#from, this.#to));
    this.#from = this.#to;
  }

  #zeroes(length: number): void {
    const at = this.#claim(length);
    this.#slab.fill(0, at, at + length);
  }

  #pad(): void {
    this.#zeroes(this.#padding);
    this.#padding = 0;
  }
}

function paddingOf(length: number): number {
  return (BLOCK - (length % BLOCK)) % BLOCK;
}

const MAX_ID = 0o7777777;
/** The limit of the octal field for bytes and for seconds (the year 2242). */
const MAX_SIZE = 0o77777777777;

function paxRecords(entry: TarEntry, stored: number): string {
  let records = "";
  if (entry.name.length > 100) records += renderPaxRecord("path", entry.name);
  if (entry.target.length > 100) records += renderPaxRecord("linkpath", entry.target);
  if (entry.uid > MAX_ID) records += renderPaxRecord("uid", String(entry.uid));
  if (entry.gid > MAX_ID) records += renderPaxRecord("gid", String(entry.gid));
  if (entry.sparse !== undefined) {
    // GNU tar's manual, "PAX Format, Version 1.0".
    for (const [key, value] of [
      ["major", "1"],
      ["minor", "0"],
      ["name", entry.name],
      ["realsize", String(entry.size)],
    ] as const)
      records += renderPaxRecord(`GNU.sparse.${key}`, value);
  }
  if (stored > MAX_SIZE) records += renderPaxRecord("size", String(stored));
  if (!/^[0-9]{1,10}$/.test(entry.mtime) || Number(entry.mtime) > MAX_SIZE)
    records += renderPaxRecord("mtime", entry.mtime);
  for (const [name, value] of entry.xattrs) records += renderPaxRecord(paxXattrKey(name), value);
  return records;
}

/** The bytes that all headers have in common. */
const HEADER = Buffer.alloc(BLOCK);
HEADER.write("0000000\0", 329, "latin1");
HEADER.write("0000000\0", 337, "latin1");
HEADER.write("ustar\x0000", 257, "latin1");
// In the checksum, the checksum field itself counts as spaces.
HEADER.write("        ", 148, "latin1");
/** Where a link's target is; after it all headers are the same. */
const TARGET = 157;
const TAIL = HEADER.subarray(TARGET).reduce((sum, byte) => sum + byte, 0);

function renderHeader(
  into: Buffer,
  at: number,
  flag: string,
  { name, target, mode, uid, gid, mtime }: Pick<TarEntry, "name" | "target" | "mode" | "uid" | "gid" | "mtime">,
  size: number,
): void {
  const seconds = /^[0-9]+$/.test(mtime) ? Number(mtime) : 0;
  into.set(HEADER, at);
  into.write(name.slice(0, 100), at, "latin1");
  octal(into, mode, at + 100, 7);
  octal(into, uid > MAX_ID ? 0 : uid, at + 108, 7);
  octal(into, gid > MAX_ID ? 0 : gid, at + 116, 7);
  octal(into, size > MAX_SIZE ? 0 : size, at + 124, 11);
  octal(into, seconds > MAX_SIZE ? 0 : seconds, at + 136, 11);
  into[at + 156] = flag.charCodeAt(0);
  const written = target === "" ? 0 : into.write(target.slice(0, 100), at + TARGET, "latin1");
  let sum = TAIL;
  for (let i = at; i < at + TARGET + written; i++) sum += into[i] as number;
  octal(into, sum, at + 148, 6);
  into[at + 154] = 0;
}

function octal(into: Buffer, value: number, at: number, digits: number): void {
  let left = value;
  for (let i = at + digits - 1; i >= at; i--) {
    into[i] = 48 + (left % 8);
    left = Math.floor(left / 8);
  }
}
