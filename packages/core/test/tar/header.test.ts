import { describe, expect, it } from "vitest";
import { BLOCK, isZeroBlock, parseSparseNumbers, parseTarHeader, TarFault } from "../../src/tar/header.ts";
import { entryBytes, type RawEntry, sealed } from "../images/support/tar-bytes.ts";

/** The header of an entry with bytes of its own at an offset. */
function header(
  raw: readonly (readonly [offset: number, bytes: string | Buffer])[] = [],
  more: Partial<RawEntry> = {},
) {
  const fields = raw.map(([at, bytes]) => [at, Buffer.from(bytes as string, "latin1")] as const);
  return entryBytes({ name: "n", ...more, raw: fields }).subarray(0, BLOCK);
}

/** A field in base 256: its first byte, and the number. */
function base256(first: number, value: bigint, length: number): Buffer {
  const field = Buffer.alloc(length);
  let left = BigInt.asUintN(8 * (length - 1), value);
  for (let at = length - 1; at > 0; at -= 1, left >>= 8n) field[at] = Number(left & 255n);
  field[0] = first;
  return field;
}

const MODE = 100;
const UID = 108;
const SIZE = 124;
const MTIME = 136;

describe("parseTarHeader", () => {
  it("reads each field at its place in ustar", () => {
    const block = header([], { flag: "1", target: "to", mode: 0o4751, uid: 5, gid: 6, size: 7, mtime: 8 });
    expect(parseTarHeader(block)).toEqual({
      name: "n",
      target: "to",
      flag: "1",
      mode: 0o4751,
      uid: 5,
      gid: 6,
      mtime: 8,
      size: 7,
    });
  });

  it("reads a name, a target and a prefix that fill their fields", () => {
    const block = header([[345, "p".repeat(155)]], { name: "n".repeat(100), target: "t".repeat(100) });
    expect(parseTarHeader(block)).toMatchObject({
      name: `${"p".repeat(155)}/${"n".repeat(100)}`,
      target: "t".repeat(100),
    });
  });

  it("keeps permissions, setuid, setgid and sticky of a mode", () => {
    expect(parseTarHeader(header([[MODE, "0177777\0"]])).mode).toBe(0o7777);
  });

  it.each([
    ["with blanks before and after", "   644 \0", 0o644],
    ["with NULs before and after", "\x00\x00\x00644\x00\x00", 0o644],
    ["that fills its field", "00000644", 0o644],
    ["of no digits", "        ", 0],
    ["of NULs", "\0".repeat(8), 0],
    ["of all digits", "01234567", 0o1234567 & 0o7777],
  ])("reads a number %s", (_, text, value) => {
    expect(parseTarHeader(header([[MODE, text]])).mode).toBe(value);
  });

  it.each(["0000648\0", "000064/\0", "-000644\0", "0000 644", "000644x\0", "0000644\x7f"])(
    "refuses %j as a number",
    (text) => {
      expect(() => parseTarHeader(header([[MODE, text]]))).toThrow(/^has a mode that is not an octal number/);
    },
  );

  it.each([
    ["zero", 0x80, 0n],
    ["many bytes", 0x80, 0x0102030405n],
    ["the largest safe number", 0x80, 2n ** 53n - 1n],
    ["minus one", 0xff, -1n],
    ["the smallest safe number", 0xff, 1n - 2n ** 53n],
  ])("reads %s in base 256", (_, first, value) => {
    expect(parseTarHeader(header([[MTIME, base256(first, value, 12)]])).mtime).toBe(Number(value));
  });

  it.each([
    ["a number beyond the safe ones", 0x80, 2n ** 53n],
    ["a number below the safe ones", 0xff, -(2n ** 53n)],
    ["bits beside the sign in the first byte", 0x81, 1n],
    ["bits beside the sign in the first byte", 0xfe, -1n],
  ])("refuses %s in base 256", (_, first, value) => {
    expect(() => parseTarHeader(header([[MTIME, base256(first, value, 12)]]))).toThrow(/^has a mtime out of range/);
  });

  it.each([
    ["uid", UID],
    ["gid", 116],
    ["size", SIZE],
    ["mtime", MTIME],
    ["mode", MODE],
  ])("names the field that is wrong: %s", (field, at) => {
    expect(() => parseTarHeader(header([[at, "x"]]))).toThrow(
      new RegExp(`^has a ${field} that is not an octal number`),
    );
  });

  it("refuses a header in which one byte differs", () => {
    const block = header();
    for (const at of [0, 99, 147, 156, 257, 511]) {
      const changed = Buffer.from(block);
      changed[at] = ((block[at] as number) + 1) & 0x7f;
      expect(() => parseTarHeader(changed)).toThrow(TarFault);
    }
  });

  it.each([0x7f, 0x80])("sums bytes as signed from 80 on, as an old writer may: %i", (byte) => {
    const block = header([[0, Buffer.from([byte])]]);
    block[156] = byte;
    block[511] = byte;
    sealed(block);
    expect(parseTarHeader(block).name).toBe(String.fromCharCode(byte));
    const sum = Number.parseInt(block.toString("latin1", 148, 154), 8);
    block.write((sum - 768).toString(8).padStart(6, "0"), 148, "latin1");
    if (byte >= 0x80) expect(parseTarHeader(block).name).toBe(String.fromCharCode(byte));
    else expect(() => parseTarHeader(block)).toThrow(/wrong checksum/);
  });

  it("counts no byte of the checksum itself among the signed ones", () => {
    const block = header();
    const sum = block.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 32 : byte), 0);
    base256(0x80, BigInt(sum), 8).copy(block, 148);
    expect(parseTarHeader(block).name).toBe("n");
    base256(0x80, BigInt(sum - 256), 8).copy(block, 148);
    expect(() => parseTarHeader(block)).toThrow(/wrong checksum/);
  });

  it("reads the map and the size of a file with holes of GNU tar only", () => {
    const map = "00000000010\0".repeat(2) + "00000000100\0".repeat(2);
    const raw = [
      [386, map],
      [482, "\x01"],
      [483, "00000001000\0"],
    ] as const;
    expect(parseTarHeader(header(raw, { flag: "S" })).sparse).toEqual({
      numbers: [8, 8, 64, 64],
      more: true,
      size: 512,
    });
    expect(parseTarHeader(header(raw, { flag: "0" })).sparse).toBeUndefined();
  });

  it("reads at most four pairs of a map from a header", () => {
    const raw = [[386, "00000000001\0".repeat(8)]] as const;
    expect(parseTarHeader(header(raw, { flag: "S" })).sparse).toEqual({
      numbers: Array(8).fill(1),
      more: false,
      size: 0,
    });
  });
});

describe("parseSparseNumbers", () => {
  it("reads the pairs up to an empty one, each number from its own twelve bytes", () => {
    const block = Buffer.alloc(BLOCK);
    block.write("00000000003\x0000000000005\x0000000000007\x0000000000011\0", 0, "latin1");
    expect(parseSparseNumbers(block, 0, 21, 504)).toEqual({ numbers: [3, 5, 7, 9], more: false });
    block[504] = 1;
    expect(parseSparseNumbers(block, 24, 21, 504)).toEqual({ numbers: [7, 9], more: true });
  });

  it("accepts zero, and refuses a number below", () => {
    const block = Buffer.alloc(BLOCK);
    base256(0x80, 0n, 12).copy(block, 0);
    expect(parseSparseNumbers(block, 0, 1, 504).numbers).toEqual([0, 0]);
    base256(0xff, -1n, 12).copy(block, 0);
    expect(() => parseSparseNumbers(block, 0, 1, 504)).toThrow(/sparse map out of range/);
  });

  it("names the field of a value that is not a number", () => {
    const block = Buffer.alloc(BLOCK);
    block.write("x");
    expect(() => parseSparseNumbers(block, 0, 1, 504)).toThrow(/^has a sparse map that is not an octal/);
    block.write("00000000003\0x");
    expect(() => parseSparseNumbers(block, 0, 1, 504)).toThrow(/^has a sparse map that is not an octal/);
  });
});

it("is a fault of form unless it is marked as one of size", () => {
  expect(new TarFault("why").tooLarge).toBe(false);
  expect(new TarFault("why", { tooLarge: true }).tooLarge).toBe(true);
});

it("takes only a block of zeros as empty", () => {
  expect(isZeroBlock(Buffer.alloc(BLOCK))).toBe(true);
  for (let at = 0; at < BLOCK; at += 1) {
    const block = Buffer.alloc(BLOCK);
    block[at] = 1;
    expect(isZeroBlock(block)).toBe(false);
  }
});
