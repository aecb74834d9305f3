/**
 * One header block of a tar: POSIX.1-1988 ustar, GNU and V7 (tar(5) of libarchive, "Formats"). Pure; a fault is
 * thrown as a {@link TarFault}, which the reader turns into an error that names the entry.
 */
export const BLOCK = 512;

/** A fault of an archive. */
export class TarFault extends Error {
  /** Whether a size is refused, not a form. */
  readonly tooLarge: boolean;
  constructor(message: string, facts: { readonly tooLarge?: boolean } = {}) {
    super(message);
    this.tooLarge = facts.tooLarge ?? false;
  }
}

export interface TarHeader {
  readonly name: string;
  readonly target: string;
  /** The type flag, one character; V7's NUL is `"0"`. */
  readonly flag: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: number;
  readonly size: number;
  /** For GNU tar's own sparse files (type `S`): the beginning of the map, and the size with the holes. */
  readonly sparse?: (SparseNumbers & { readonly size: number }) | undefined;
}

/** Offsets and lengths alternately, and whether the next block has more. */
export interface SparseNumbers {
  readonly numbers: readonly number[];
  readonly more: boolean;
}

/** @throws {TarFault} when the checksum or a number is wrong. */
export function parseTarHeader(block: Buffer): TarHeader {
  if (!checksumHolds(block)) throw new TarFault("has a header with a wrong checksum");
  const flag = block[156] === 0 ? "0" : String.fromCharCode(block[156] as number);
  // GNU's magic ("ustar  ") puts other things where POSIX has the prefix.
  const posix = block.toString("latin1", 257, 263) === "ustar\0";
  const prefix = posix ? text(block, 345, 155) : "";
  const name = text(block, 0, 100);
  return {
    name: prefix === "" ? name : `${prefix}/${name}`,
    target: text(block, 157, 100),
    flag,
    mode: number(block, 100, 8, "mode") & 0o7777,
    uid: number(block, 108, 8, "uid"),
    gid: number(block, 116, 8, "gid"),
    mtime: number(block, 136, 12, "mtime"),
    size: number(block, 124, 12, "size"),
    // tar(5), "GNU tar Archives": four pairs from 386 on, isextended at 482, realsize.
    ...(flag === "S"
      ? { sparse: { ...parseSparseNumbers(block, 386, 4, 482), size: number(block, 483, 12, "size") } }
      : {}),
  };
}

/**
 * Reads at most `pairs` pairs from `start` on, up to an empty one, and the flag at `flag` for more in the next block.
 */
export function parseSparseNumbers(block: Buffer, start: number, pairs: number, flag: number): SparseNumbers {
  const numbers: number[] = [];
  for (let at = start; at < start + pairs * 24 && block[at] !== 0; at += 24)
    numbers.push(number(block, at, 12, "sparse map"), number(block, at + 12, 12, "sparse map"));
  if (numbers.some((value) => value < 0)) throw new TarFault("has a sparse map out of range");
  return { numbers, more: block[flag] !== 0 };
}

export function isZeroBlock(block: Buffer): boolean {
  for (let i = 0; i < BLOCK; i += 8) {
    if (block.readUInt32LE(i) !== 0 || block.readUInt32LE(i + 4) !== 0) return false;
  }
  return true;
}

function text(block: Buffer, start: number, length: number): string {
  let end = start;
  while (end < start + length && block[end] !== 0) end++;
  return end === start ? "" : block.toString("latin1", start, end);
}

function checksumHolds(block: Buffer): boolean {
  const stored = number(block, 148, 8, "checksum");
  let sum = 0;
  for (let i = 0; i < BLOCK; i++) sum += block[i] as number;
  // The field itself counts as spaces.
  for (let i = 148; i < 156; i++) sum += 32 - (block[i] as number);
  return stored === sum || stored === sum - 256 * highBytes(block);
}

/** Checks the checksum both ways: some old writers summed signed characters. */
function highBytes(block: Buffer): number {
  let count = 0;
  for (let i = 0; i < BLOCK; i++) if ((i < 148 || i >= 156) && (block[i] as number) >= 128) count++;
  return count;
}

/** Reads octal digits with spaces or NULs around them, or GNU's base-256 if the top bit is set. */
function number(block: Buffer, start: number, length: number, field: string): number {
  const first = block[start] as number;
  if (first >= 0x80) return base256(block.subarray(start, start + length), field);
  let i = start;
  const end = start + length;
  while (i < end && (block[i] === 32 || block[i] === 0)) i++;
  let value = 0;
  while (i < end) {
    const digit = (block[i] as number) - 48;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
    i++;
  }
  while (i < end) {
    if (block[i] !== 32 && block[i] !== 0) throw new TarFault(`has a ${field} that is not an octal number`);
    i++;
  }
  return value;
}

function base256(bytes: Buffer, field: string): number {
  const negative = bytes[0] === 0xff;
  if (!negative && bytes[0] !== 0x80) throw new TarFault(`has a ${field} out of range`);
  let value = negative ? -1n : 0n;
  for (const byte of bytes.subarray(1)) value = value * 256n + BigInt(byte);
  if (value > BigInt(Number.MAX_SAFE_INTEGER) || value < -BigInt(Number.MAX_SAFE_INTEGER))
    throw new TarFault(`has a ${field} out of range`);
  return Number(value);
}
