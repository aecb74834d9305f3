import { describe, expect, it } from "vitest";
import type { TarEntry } from "../../src/tar/entry.ts";
import { TarFault } from "../../src/tar/header.ts";
import { TarReader } from "../../src/tar/reader.ts";
import { entryBytes, file, folder, hardLink, paxBytes, symlink, tarBytes } from "../images/support/tar-bytes.ts";

function entriesOf(archive: Buffer): TarEntry[] {
  const entries: TarEntry[] = [];
  const reader = new TarReader((fault) => fault, { entry: (entry) => entries.push(entry), data: () => undefined });
  reader.push(archive);
  reader.end();
  return entries;
}

const only = (...parts: Parameters<typeof tarBytes>) => entriesOf(tarBytes(...parts))[0] as TarEntry;

function faultOf(archive: Buffer): TarFault {
  try {
    entriesOf(archive);
  } catch (error) {
    if (error instanceof TarFault) return error;
    throw error;
  }
  throw new Error("the archive was taken");
}

const longName = (name: string, flag = "L") => ({ name: "././@LongLink", flag, body: name });
const base256 = (bytes: number[]) =>
  Buffer.from([...Array(12 - bytes.length).fill(bytes[0] === 0xff ? 0xff : 0), ...bytes]);

describe("what a tar says of an entry", () => {
  it.each([
    ["0", "file"],
    ["1", "link"],
    ["2", "symlink"],
    ["3", "character"],
    ["4", "block"],
    ["5", "directory"],
    ["6", "fifo"],
    ["7", "file"],
  ])("flag %s is a %s", (flag, type) => {
    expect(only({ name: "n", flag, target: "t" }).type).toBe(type);
  });

  it("comes from the extensions before it: pax, then the long names of GNU, then its header", () => {
    const long = [longName("gnu\0"), longName("gnu-target\0", "K")];
    expect(only(...long, symlink("n", "t"))).toMatchObject({ name: "gnu", target: "gnu-target" });
    const pax = paxBytes({ path: "pax", linkpath: "pax-target" });
    expect(only(...long, pax, symlink("n", "t"))).toMatchObject({ name: "pax", target: "pax-target" });
    expect(only(pax, ...long, symlink("n", "t"))).toMatchObject({ name: "pax", target: "pax-target" });
    expect(only(longName("without NUL"), file("n")).name).toBe("without NUL");
    expect(only(longName("\0after"), file("n")).name).toBe("");
  });

  it("comes from all pax headers before it; later ones win", () => {
    const entry = only(paxBytes({ path: "one", uid: "7" }), paxBytes({ path: "two", gid: "8" }), file("n"));
    expect(entry).toMatchObject({ name: "two", uid: 7, gid: 8 });
    expect(only({ ...entryOf("x"), flag: "X" }, file("n")).name).toBe("solaris");
  });

  it("does not come from an extension of an earlier entry", () => {
    const [, second] = entriesOf(
      tarBytes(
        longName("long\0"),
        longName("target\0", "K"),
        paxBytes({ uid: "7" }),
        symlink("a", "b"),
        symlink("c", "d"),
      ),
    );
    expect(second).toMatchObject({ name: "c", target: "d", uid: 0 });
  });

  it("is the name that GNU tar has for a file with holes", () => {
    const records = {
      "GNU.sparse.name": "real",
      path: "./GNUSparseFile.1/real",
      "GNU.sparse.map": "",
      "GNU.sparse.size": "9",
    };
    expect(only(paxBytes(records), file("n", ""))).toMatchObject({ name: "real", size: 9, sparse: [] });
  });

  it("has the size, the owner and the time of pax, or of the header", () => {
    expect(
      only(paxBytes({ size: "3", uid: "4294967294", gid: "5", mtime: "-1.5" }), file("n", "abc", { size: 99 })),
    ).toMatchObject({
      size: 3,
      uid: 4_294_967_294,
      gid: 5,
      mtime: "-1.5",
    });
    expect(only(file("n", "abc", { uid: 1, gid: 2, mtime: 3 }))).toMatchObject({ size: 3, uid: 1, gid: 2, mtime: "3" });
    expect(only({ name: "n", raw: [[136, base256([0xff])]] }).mtime).toBe("-1");
  });

  it.each(["0", "-1", "1.5", "999999999999999", `1.${"1".repeat(30)}`])("may have the time %s", (mtime) => {
    expect(only(paxBytes({ mtime }), file("n")).mtime).toBe(mtime);
  });

  it.each(["", "x", "1.", ".5", "+1", "1000000000000000", `1.${"1".repeat(31)}`, "1e3", "1.5x"])(
    "cannot have the time %j",
    (mtime) => {
      expect(faultOf(tarBytes(paxBytes({ mtime }), file("n"))).message).toBe(
        'the tar entry "n" has a time out of range',
      );
    },
  );

  it.each(["", "x", "1.5", "-1", "9007199254740992", "00000000000000001", "1x"])("cannot have the size %j", (size) => {
    expect(faultOf(tarBytes(paxBytes({ size }), file("n"))).message).toBe('the tar entry "n" has a size out of range');
  });

  it.each(["uid", "gid"])("cannot have a %s that chown(2) ignores, nor one below zero", (key) => {
    const at = key === "uid" ? 108 : 116;
    const negative = Buffer.alloc(8, 0xff);
    for (const archive of [
      tarBytes(paxBytes({ [key]: "4294967295" }), file("n")),
      tarBytes(file("n", "", { raw: [[at, negative]] })),
    ])
      expect(faultOf(archive).message).toBe('the tar entry "n" has an owner out of range');
    expect(faultOf(tarBytes(paxBytes({ [key]: "x" }), file("n"))).message).toBe(
      `the tar entry "n" has a ${key} out of range`,
    );
  });

  it("cannot be a folder with content, by its flag or its name", () => {
    expect(faultOf(tarBytes(file("d/", "x"))).message).toMatch(/"d\/" has a size, which only a file can have/);
    expect(faultOf(tarBytes(paxBytes({ size: "5" }), file("d/", ""))).message).toMatch(/has a size/);
    const holes = paxBytes({ "GNU.sparse.map": "", "GNU.sparse.size": "0" });
    for (const entry of [file("d/", ""), symlink("l", "x"), folder("d/")])
      expect(faultOf(tarBytes(holes, entry)).message).toMatch(/has a size, which only a file can have/);
  });

  it("is a symlink though its name ends in a slash", () => {
    expect(only(symlink("d/", "x"))).toMatchObject({ type: "symlink", name: "d/" });
  });

  it("has no data where it is not a regular file, whatever pax says", () => {
    const entries = entriesOf(tarBytes(paxBytes({ size: "1000" }), hardLink("h", "f"), file("f")));
    expect(entries.map(({ name, size }) => [name, size])).toEqual([
      ["h", 0],
      ["f", 1],
    ]);
  });
});

describe("an extension", () => {
  it("may have at most one MiB together with all others of its entry", () => {
    const most = 1024 * 1024;
    expect(only({ name: "p", flag: "x", body: Buffer.alloc(most) }, file("n")).name).toBe("n");
    const fault = faultOf(
      tarBytes({ name: "p", flag: "x", body: Buffer.alloc(most - 10) }, longName("elevenbytes"), file("n")),
    );
    expect([fault.message, fault.tooLarge]).toEqual([
      `the first tar entry has an extension of ${most + 1} bytes`,
      true,
    ]);
  });

  it("is a fault of form, not of size, when it cannot be read", () => {
    expect(faultOf(tarBytes({ name: "p", flag: "x", body: "no record" }, file("n"))).tooLarge).toBe(false);
    expect(faultOf(tarBytes({ name: "n", flag: "Q" })).tooLarge).toBe(false);
    expect(faultOf(entryBytes(file("n")).subarray(0, 512)).tooLarge).toBe(false);
  });

  it("may be empty unless it is a long name", () => {
    for (const flag of ["x", "g", "X"]) expect(only({ name: "p", flag }, file("n")).name).toBe("n");
    for (const flag of ["L", "K"])
      expect(faultOf(tarBytes({ name: "p", flag }, file("n"))).message).toBe(
        "the first tar entry has an empty long name",
      );
  });

  it("must be followed by an entry, and not by any kind of end", () => {
    for (const extension of [paxBytes({ path: "x" }), entryBytes(longName("x")), entryBytes(longName("x", "K"))]) {
      expect(faultOf(tarBytes(extension)).message).toMatch(/is announced by an extension, and missing/);
      expect(faultOf(extension).message).toMatch(/is cut off/);
    }
  });

  it("is read in pieces whose memory is reused", () => {
    const archive = tarBytes(paxBytes({ path: "a/long/enough/name" }), file("n"));
    const names: string[] = [];
    const reader = new TarReader((fault) => fault, { entry: ({ name }) => names.push(name), data: () => undefined });
    const piece = Buffer.alloc(5);
    for (let at = 0; at < archive.length; at += piece.length) {
      const length = archive.copy(piece, 0, at, at + piece.length);
      reader.push(piece.subarray(0, length));
      piece.fill(0xee);
    }
    expect(names).toEqual(["a/long/enough/name"]);
  });

  it.each(["path", "linkpath", "size", "GNU.sparse.name", "SCHILY.xattr.user.a"])(
    "for all entries that follow may not say their %s",
    (key) => {
      const message = `the first tar entry has "${key}" in a global header`;
      expect(faultOf(tarBytes(paxBytes({ comment: "c", [key]: "1" }, "g"), file("n"))).message).toBe(message);
    },
  );

  it("for all entries that follow says nothing of them", () => {
    expect(only(paxBytes({ uid: "7", mtime: "1", "x.path": "p" }, "g"), file("n", "", { mtime: 5 }))).toMatchObject({
      uid: 0,
      mtime: "5",
    });
  });

  it("is skipped with its content when it is a volume label", () => {
    const found: string[] = [];
    const reader = new TarReader((fault) => fault, {
      entry: ({ name }) => found.push(name),
      data: (bytes) => found.push(String(bytes)),
    });
    reader.push(
      tarBytes(file("m", "x"), { name: "label", flag: "V", body: "of the label".repeat(60) }, file("n", "y")),
    );
    expect(found).toEqual(["m", "x", "n", "y"]);
  });
});

/** A pax header by hand. */
function entryOf(name: string) {
  return { name, body: "16 path=solaris\n" };
}

describe("a fault", () => {
  const negative = { raw: [[124, Buffer.alloc(12, 0xff)]] } as const;

  it("names the entry or the one before it, or says that it is the first", () => {
    expect(faultOf(tarBytes({ name: "a", ...negative })).message).toBe("the first tar entry has a negative size");
    expect(faultOf(tarBytes(file("a"), { name: "b", ...negative })).message).toBe(
      'the tar entry after "a" has a negative size',
    );
    expect(faultOf(tarBytes(file("a"), { name: "b", flag: "Q" })).message).toMatch(/^the tar entry "b" is of type "Q"/);
  });

  it("of the sink is thrown unchanged", () => {
    const own = new Error("of the sink");
    const reader = new TarReader((fault) => fault, {
      entry: () => {
        throw own;
      },
      data: () => undefined,
    });
    expect(() => reader.push(tarBytes(file("a")))).toThrow(own);
  });

  it("is reported for a body, a header and a map that break off", () => {
    const whole = entryBytes(file("a", "hello"));
    expect(faultOf(whole.subarray(0, 516)).message).toBe('the tar entry "a" is cut off');
    expect(faultOf(whole.subarray(0, 511)).message).toBe("the first tar entry is cut off");
    expect(faultOf(Buffer.concat([whole, whole.subarray(0, 1)])).message).toBe('the tar entry after "a" is cut off');
    const records = { "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "9" };
    const mapped = Buffer.concat([
      paxBytes(records),
      entryBytes(file("m", "1\n0\n".padEnd(512, "\0"), { size: 1024 })),
    ]);
    expect(faultOf(mapped.subarray(0, mapped.length - 512)).message).toBe('the tar entry "m" is cut off');
    const short = tarBytes(paxBytes(records), file("m", "1\n0\n"));
    expect(faultOf(short).message).toBe('the tar entry "m" has a sparse map that contradicts its size');
  });

  it("does not occur when an archive ends after one block of zeros, or after none", () => {
    const whole = entryBytes(file("a", "hello"));
    for (const zeros of [0, 512, 1024, 1536])
      expect(entriesOf(Buffer.concat([whole, Buffer.alloc(zeros)])).map(({ name }) => name)).toEqual(["a"]);
    expect(entriesOf(Buffer.alloc(0))).toEqual([]);
  });
});
