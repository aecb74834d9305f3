import { storedSize, type TarEntry } from "./entry.ts";
import { BLOCK } from "./header.ts";
import { paxXattrKey, renderPaxRecord } from "./pax.ts";
import { renderSparseMap } from "./sparse.ts";

const FLAGS = { file: "0", link: "1", symlink: "2", character: "3", block: "4", directory: "5", fifo: "6" } as const;
const ZEROES = Buffer.alloc(2 * BLOCK);

/**
 * Writes tar in one canonical form, ustar with pax where ustar cannot say it, into memory that {@link take} empties.
 * Device numbers are always 0/0.
 */
export class TarWriter {
  #parts: Buffer[] = [];
  #padding = 0;
  #length = 0;
  #lastPaxHeader: { readonly length: number; readonly block: Buffer } | undefined;

  /** Bytes that {@link take} would give. */
  get length(): number {
    return this.#length;
  }

  entry(entry: TarEntry): void {
    this.#pad();
    const map = entry.sparse && renderSparseMap(entry.sparse);
    const stored = storedSize(entry) + (map?.length ?? 0);
    const records = paxRecords(entry, stored);
    if (records !== "") {
      const body = Buffer.from(records, "latin1");
      this.#push(this.#paxHeader(body.length));
      this.#push(body);
      this.#padding = paddingOf(body.length);
      this.#pad();
    }
    const { name, target, mode, uid, gid, mtime } = entry;
    const seconds = /^[0-9]+$/.test(mtime) ? Number(mtime) : 0;
    this.#push(
      renderHeader(FLAGS[entry.type], name.slice(0, 100), target.slice(0, 100), mode, uid, gid, seconds, stored),
    );
    if (map !== undefined) this.#push(map);
    this.#padding = paddingOf(stored);
  }

  data(bytes: Buffer): void {
    this.#push(bytes);
  }

  end(): void {
    this.#pad();
    this.#push(ZEROES);
  }

  /** What was written since the last call. */
  take(): Buffer {
    const bytes = this.#parts.length === 1 ? (this.#parts[0] as Buffer) : Buffer.concat(this.#parts);
    this.#parts = [];
    this.#length = 0;
    return bytes;
  }

  /** The same for all records of one length, which most are. */
  #paxHeader(length: number): Buffer {
    if (this.#lastPaxHeader?.length !== length)
      this.#lastPaxHeader = { length, block: renderHeader("x", "PaxHeaders/entry", "", 0o644, 0, 0, 0, length) };
    return this.#lastPaxHeader.block;
  }

  #push(bytes: Buffer): void {
    this.#parts.push(bytes);
    this.#length += bytes.length;
  }

  #pad(): void {
    if (this.#padding > 0) this.#push(ZEROES.subarray(0, this.#padding));
    this.#padding = 0;
  }
}

function paddingOf(length: number): number {
  return (BLOCK - (length % BLOCK)) % BLOCK;
}

const MAX_ID = 0o7777777;
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
  if (!/^[0-9]{1,10}$/.test(entry.mtime)) records += renderPaxRecord("mtime", entry.mtime);
  for (const [name, value] of entry.xattrs) records += renderPaxRecord(paxXattrKey(name), value);
  return records;
}

function renderHeader(
  flag: string,
  name: string,
  target: string,
  mode: number,
  uid: number,
  gid: number,
  mtime: number,
  size: number,
): Buffer {
  const block = Buffer.alloc(BLOCK);
  block.write(name, 0, "latin1");
  octal(block, mode, 100, 8);
  octal(block, uid > MAX_ID ? 0 : uid, 108, 8);
  octal(block, gid > MAX_ID ? 0 : gid, 116, 8);
  octal(block, size > MAX_SIZE ? 0 : size, 124, 12);
  octal(block, mtime > MAX_SIZE ? 0 : mtime, 136, 12);
  block.write("        ", 148, "latin1");
  block.write(flag, 156, "latin1");
  block.write(target, 157, "latin1");
  block.write("ustar\x0000", 257, "latin1");
  octal(block, 0, 329, 8);
  octal(block, 0, 337, 8);
  let sum = 0;
  for (let i = 0; i < BLOCK; i++) sum += block[i] as number;
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

function octal(block: Buffer, value: number, at: number, length: number): void {
  block.write(value.toString(8).padStart(length - 1, "0"), at, "latin1");
}
