import { describe, expect, it } from "vitest";
import type { TarEntry } from "../../src/tar/entry.ts";
import { TarReader } from "../../src/tar/reader.ts";
import { TarWriter } from "../../src/tar/writer.ts";
import { END, entryBytes, paxBytes } from "../images/support/tar-bytes.ts";

const plain: TarEntry = {
  type: "file",
  name: "f",
  target: "",
  mode: 0o4755,
  uid: 7,
  gid: 8,
  mtime: "1600000000",
  size: 0,
  xattrs: new Map(),
};
const MOST = 0o77777777777;
const NO_DEVICE = [
  [329, Buffer.from("0000000\0")],
  [337, Buffer.from("0000000\0")],
] as const;

function written(...entries: TarEntry[]): Buffer {
  const writer = new TarWriter();
  for (const entry of entries) writer.entry(entry);
  return writer.take();
}

/** The headers of one entry: that of its pax records, the records, and its own. */
function parts(entry: TarEntry) {
  const bytes = written(entry);
  expect(bytes.toString("latin1", 156, 157)).toBe("x");
  expect(bytes.toString("latin1", 0, 20)).toBe("PaxHeaders/entry\0\0\0\0");
  return {
    records: bytes.toString("latin1", 512, bytes.length - 512).replace(/\0+$/, ""),
    header: bytes.subarray(-512),
  };
}

const field = (header: Buffer, at: number, length: number) => header.toString("latin1", at, at + length);

describe("what a TarWriter writes", () => {
  it.each<[TarEntry["type"], string]>([
    ["file", "0"],
    ["link", "1"],
    ["symlink", "2"],
    ["character", "3"],
    ["block", "4"],
    ["directory", "5"],
    ["fifo", "6"],
  ])("of a %s is one header of ustar", (type, flag) => {
    const entry = { name: "f", flag, target: "to", mode: 0o4755, uid: 7, gid: 8, raw: NO_DEVICE };
    expect(written({ ...plain, type, target: "to" }).equals(entryBytes(entry))).toBe(true);
  });

  it("is padded to whole blocks, and ends with two blocks of zeros", () => {
    const writer = new TarWriter();
    writer.entry({ ...plain, size: 3 });
    writer.data(Buffer.from("abc"));
    writer.entry({ ...plain, name: "g", size: 512 });
    writer.data(Buffer.alloc(512, "d"));
    writer.end();
    const like = { mode: 0o4755, uid: 7, gid: 8, raw: NO_DEVICE };
    const expected = [
      entryBytes({ ...like, name: "f", body: "abc" }),
      entryBytes({ ...like, name: "g", body: "d".repeat(512) }),
    ];
    expect(writer.take().equals(Buffer.concat([...expected, END]))).toBe(true);
  });

  it("has no pax header when ustar can express it, up to its largest number and length", () => {
    const most = {
      ...plain,
      name: "n".repeat(100),
      target: "t".repeat(100),
      uid: 0o7777777,
      gid: 0o7777777,
      size: MOST,
      mtime: String(MOST),
    };
    const header = written(most);
    expect(header).toHaveLength(512);
    expect([field(header, 0, 100), field(header, 157, 100)]).toEqual(["n".repeat(100), "t".repeat(100)]);
    expect([field(header, 108, 8), field(header, 116, 8)]).toEqual(["7777777\0", "7777777\0"]);
    expect([field(header, 124, 12), field(header, 136, 12)]).toEqual(["77777777777\0", "77777777777\0"]);
    expect(written({ ...plain, mtime: "0" })).toHaveLength(512);
  });

  it.each<[Partial<TarEntry>, string, number, number, string]>([
    [{ name: "n".repeat(101) }, `111 path=${"n".repeat(101)}\n`, 0, 100, "n".repeat(100)],
    [{ target: "t".repeat(101) }, `115 linkpath=${"t".repeat(101)}\n`, 157, 100, "t".repeat(100)],
    [{ uid: 0o10000000 }, "15 uid=2097152\n", 108, 8, "0000000\0"],
    [{ gid: 0o10000000 }, "15 gid=2097152\n", 116, 8, "0000000\0"],
    [{ size: MOST + 1 }, "19 size=8589934592\n", 124, 12, "00000000000\0"],
    [{ mtime: String(MOST + 1) }, "20 mtime=8589934592\n", 136, 12, "00000000000\0"],
    [{ mtime: "1.5" }, "13 mtime=1.5\n", 136, 12, "00000000000\0"],
    [{ mtime: "-1" }, "12 mtime=-1\n", 136, 12, "00000000000\0"],
    [{ xattrs: new Map([["user.a", "b"]]) }, "25 SCHILY.xattr.user.a=b\n", 136, 12, "13727410000\0"],
  ])("has in pax only what ustar cannot express: %#", (beyond, records, at, length, left) => {
    const found = parts({ ...plain, ...beyond });
    expect(found.records).toBe(records);
    expect(field(found.header, at, length)).toBe(left);
  });

  it("states a time after the year 2242 exactly", () => {
    const found: string[] = [];
    const reader = new TarReader((fault) => fault, { entry: ({ mtime }) => found.push(mtime), data: () => undefined });
    for (const mtime of ["8589934591", "8589934592", "9999999999", "10000000000"])
      reader.push(written({ ...plain, mtime }));
    expect(found).toEqual(["8589934591", "8589934592", "9999999999", "10000000000"]);
  });

  it("has a correct pax header for each length of records", () => {
    const name = (length: number) => ({ ...plain, name: "n".repeat(length) });
    const like = { mode: 0o4755, uid: 7, gid: 8, raw: NO_DEVICE };
    const expected = [150, 150, 151].map((length) => {
      const records = paxBytes({ path: "n".repeat(length) });
      return Buffer.concat([records.subarray(512), entryBytes({ ...like, name: "n".repeat(length) })]);
    });
    const bytes = written(name(150), name(150), name(151));
    const length = bytes.length / 3;
    for (const [at, one] of expected.entries())
      expect(bytes.subarray(at * length + 512, (at + 1) * length).equals(one)).toBe(true);
    expect(field(bytes, 2 * length + 124, 11)).toBe((161).toString(8).padStart(11, "0"));
  });
});

describe("the memory of a TarWriter", () => {
  const KIB = 1024;

  it("holds a copy of small content, and large content itself", () => {
    const writer = new TarWriter();
    writer.entry({ ...plain, size: 128 * KIB + 1 });
    writer.take();
    const [little, much] = [Buffer.alloc(64 * KIB, "a"), Buffer.alloc(64 * KIB + 1, "b")];
    writer.data(little);
    little.fill("c");
    expect(writer.length).toBe(64 * KIB);
    expect(writer.take().equals(Buffer.alloc(64 * KIB, "a"))).toBe(true);
    writer.data(much);
    expect(writer.length).toBe(64 * KIB + 1);
    expect(writer.take()).toBe(much);
  });

  it("is one piece for many small parts, until half is used", () => {
    const writer = new TarWriter();
    const pieces: Buffer[] = [];
    for (let count = 0; count < 7; count += 1) {
      writer.data(Buffer.alloc(48 * KIB));
      pieces.push(writer.take());
    }
    expect(pieces.map(({ length }) => length)).toEqual(Array(7).fill(48 * KIB));
    expect(new Set(pieces.slice(0, 5).map(({ buffer }) => buffer)).size).toBe(1);
    expect(pieces[5]?.buffer).not.toBe(pieces[4]?.buffer);
    expect(pieces[6]?.buffer).toBe(pieces[5]?.buffer);
  });
});
