import { execFileSync } from "node:child_process";
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { TarEntry } from "../../src/tar/entry.ts";
import { TarFault } from "../../src/tar/header.ts";
import { TarReader } from "../../src/tar/reader.ts";
import { entryBytes, file, folder, hardLink, paxBytes, symlink, tarBytes } from "../images/support/tar-bytes.ts";

function read(archive: Buffer, piece = archive.length): { entries: TarEntry[]; bodies: string[]; ended: boolean } {
  const entries: TarEntry[] = [];
  const bodies: string[] = [];
  const reader = new TarReader((fault) => fault, {
    entry: (entry) => {
      entries.push(entry);
      bodies.push("");
    },
    data: (bytes) => {
      bodies[bodies.length - 1] += bytes.toString("latin1");
    },
  });
  for (let at = 0; at < archive.length; at += piece) reader.push(archive.subarray(at, at + piece));
  reader.end();
  return { entries, bodies, ended: reader.ended };
}

const names = (archive: Buffer) => read(archive).entries.map(({ name }) => name);
const long = `${"d/".repeat(80)}f`;

const pax01 = (map: string, size: string, body: string) =>
  tarBytes(paxBytes({ "GNU.sparse.map": map, "GNU.sparse.size": size }), file("f", body));
const pax10 = (body: string) =>
  tarBytes(
    paxBytes({ "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "9" }),
    file("f", body.padEnd(Math.ceil(body.length / 512) * 512, "\0")),
  );

describe("TarReader", () => {
  it("accepts a checksum of signed characters, as old writers have it", () => {
    const archive = tarBytes(file("f\xe9", "hello"));
    const sum = Number.parseInt(archive.toString("latin1", 148, 154), 8);
    const high = archive.subarray(0, 512).filter((byte) => byte >= 128).length;
    expect(high).toBeGreaterThan(0);
    archive.write((sum - 256 * high).toString(8).padStart(6, "0"), 148, "latin1");
    expect(read(archive).bodies).toEqual(["hello"]);
    archive.write((sum - 255 * high).toString(8).padStart(6, "0"), 148, "latin1");
    expect(() => read(archive)).toThrow(/wrong checksum/);
  });

  const archive = tarBytes(
    folder("a/"),
    file("a/b", "hello"),
    paxBytes({ path: "über", mtime: "1600000000.25", "SCHILY.xattr.user.x": "1=2\n3" }),
    file("short", "y".repeat(1300)),
    symlink("l", "/etc/passwd"),
    hardLink("h", "a/b"),
  );

  it("gives entries and bodies in order", () => {
    const { entries, bodies, ended } = read(archive);
    expect(ended).toBe(true);
    expect(entries.map(({ type, name, target, size }) => [type, name, target, size])).toEqual([
      ["directory", "a/", "", 0],
      ["file", "a/b", "", 5],
      ["file", "über", "", 1300],
      ["symlink", "l", "/etc/passwd", 0],
      ["link", "h", "a/b", 0],
    ]);
    expect(bodies[1]).toBe("hello");
    expect(bodies[2]).toBe("y".repeat(1300));
    expect(entries[2]).toMatchObject({ mtime: "1600000000.25", xattrs: new Map([["user.x", "1=2\n3"]]) });
  });

  it.each([1, 7, 511, 512, 513, 1024])("gives the same for pieces of %i bytes", (piece) => {
    expect(read(archive, piece)).toEqual(read(archive));
  });

  it.each([
    ["a GNU long name", tarBytes({ name: "././@LongLink", flag: "L", body: `${long}\0` }, file("cut")), [long]],
    ["a pax path", tarBytes(paxBytes({ path: long }), file("cut")), [long]],
    ["a ustar prefix", tarBytes(file("name", "x", { raw: [[345, Buffer.from("pre/fix")]] })), ["pre/fix/name"]],
    [
      "no prefix with GNU's magic",
      tarBytes(file("n", "x", { magic: "ustar  \0", raw: [[345, Buffer.from("z")]] })),
      ["n"],
    ],
    ["a V7 header", tarBytes(file("v7", "x", { magic: "\0\0\0\0\0\0\0\0", flag: "\0" })), ["v7"]],
    ["a volume label", tarBytes({ name: "label", flag: "V" }, file("f")), ["f"]],
    ["a global comment", tarBytes(paxBytes({ comment: "commit" }, "g"), file("f")), ["f"]],
  ])("reads %s", (_what, bytes, expected) => {
    expect(names(bytes)).toEqual(expected);
  });

  it("reads a file whose name ends in a slash as a folder, as V7 wrote them", () => {
    expect(read(tarBytes({ name: "d/", flag: "0" })).entries[0]?.type).toBe("directory");
  });

  it("reads no data of a symlink, a folder or a device that states a size", () => {
    const stated = { size: 4096 };
    const archive = tarBytes(
      { name: "l", flag: "2", target: "x", ...stated },
      { name: "d/", flag: "5", ...stated },
      { name: "c", flag: "3", ...stated },
      file("f", "data"),
    );
    expect(read(archive).entries.map(({ name, size }) => [name, size])).toEqual([
      ["l", 0],
      ["d/", 0],
      ["c", 0],
      ["f", 4],
    ]);
  });

  it("reads sizes and owners in base 256", () => {
    const field = Buffer.from([0x80, 0, 0, 0, 0, 0, 0, 3]);
    expect(read(tarBytes(file("f", "x", { raw: [[108, field]] }))).entries[0]?.uid).toBe(3);
  });

  it("reads many entries whose extensions are large only together", () => {
    const large = paxBytes({ note: "x".repeat(60_000) });
    const archive = tarBytes(...Array.from({ length: 40 }, (_, i) => [large, file(`f${i}`)]).flat());
    expect(read(archive).entries).toHaveLength(40);
  });

  it.each([
    ["gnu", []],
    ["pax 0.0", ["--sparse-version=0.0"]],
    ["pax 0.1", ["--sparse-version=0.1"]],
    ["pax 1.0", ["--sparse-version=1.0"]],
  ])("reads files with holes as GNU tar writes them: %s", (form, options) => {
    const place = mkdtempSync(join(tmpdir(), "pileus-sparse-"));
    try {
      // Fifty parts: more than the header of any form holds.
      const parts = Array.from({ length: 50 }, (_, i) => ({ offset: (2 * i + 1) * 65_536, length: 4096 }));
      const fd = openSync(join(place, "holes"), "w");
      for (const [i, { offset, length }] of parts.entries())
        writeSync(fd, Buffer.alloc(length, i + 1), 0, length, offset);
      ftruncateSync(fd, 8_000_001);
      closeSync(fd);
      for (const name of ["all-hole", "after"]) writeFileSync(join(place, name), name === "after" ? "dense" : "");
      truncateSync(join(place, "all-hole"), 1_000_000);
      const args = [`--format=${form.split(" ")[0]}`, "--sparse", ...options, "-cf", "-", "holes", "all-hole", "after"];
      const archive = execFileSync("tar", args, { cwd: place, maxBuffer: 2 ** 26 });
      const { entries, bodies } = read(archive, 700);
      expect(entries.map(({ name, size }) => [name, size])).toEqual([
        ["holes", 8_000_001],
        ["all-hole", 1_000_000],
        ["after", 5],
      ]);
      expect(entries[0]?.sparse).toEqual(parts);
      expect(entries[1]?.sparse).toEqual([]);
      expect(bodies[0]).toBe(parts.map(({ length }, i) => String.fromCharCode(i + 1).repeat(length)).join(""));
      expect(bodies.slice(1)).toEqual(["", "dense"]);
    } finally {
      rmSync(place, { recursive: true });
    }
  });

  it("accepts an archive with neither end blocks nor the last padding", () => {
    const whole = entryBytes(file("f", "hello"));
    expect(names(whole)).toEqual(["f"]);
    expect(names(whole.subarray(0, 512 + 5))).toEqual(["f"]);
  });

  it("ignores what follows the end", () => {
    expect(names(Buffer.concat([tarBytes(file("f")), tarBytes(file("g"))]))).toEqual(["f"]);
    expect(names(Buffer.concat([tarBytes(file("f")), Buffer.from("garbage")]))).toEqual(["f"]);
  });

  it.each([
    ["breaks off in a body", entryBytes(file("f", "hello")).subarray(0, 514), /"f" is cut off/],
    ["breaks off in a header", tarBytes(file("f")).subarray(0, 1024 + 10), /after "f" is cut off/],
    [
      "has a wrong checksum",
      tarBytes(file("f"), Buffer.alloc(512, "1")),
      /after "f" has a header with a wrong checksum/,
    ],
    ["has a lone zero block", Buffer.concat([Buffer.alloc(512), entryBytes(file("f"))]), /lone empty block/],
    [
      "has a sparse file of a form to come",
      tarBytes(paxBytes({ "GNU.sparse.major": "2" }), file("f")),
      /"f" is stored sparse in a form that is not known/,
    ],
    [
      "has holes in a folder",
      tarBytes(paxBytes({ "GNU.sparse.map": "", "GNU.sparse.size": "1" }), folder("d/")),
      /a file/,
    ],
    ["has parts within one another", pax01("0,4,3,4", "9", "12345678"), /"f" has a sparse map that contradicts itself/],
    ["has a part beyond the end", pax01("8,4", "9", "1234"), /contradicts itself/],
    [
      "has parts that are not whole blocks",
      pax01("0,1,4,1", "9", "12"),
      /"f" has a sparse map with a part that is not/,
    ],
    ["has half a pair", pax01("0,4,8", "9", "1234"), /contradicts itself/],
    ["has a map of another size", pax01("0,4", "9", "12345"), /contradicts its size/],
    ["has letters in a map", pax01("0,x", "9", "1234"), /malformed sparse map/],
    ["has a map in its body that never ends", pax10("5\n"), /"f" is cut off|contradicts its size/],
    ["has a map in its body of letters", pax10("many\n"), /malformed sparse map/],
    ["has a map of many blocks", pax10(`600000\n${"1\n1\n".repeat(600_000)}`), /an extension of 10[0-9]+ bytes/],
    ["has an unknown type", tarBytes({ name: "f", flag: "Q" }), /is of type "Q"/],
    ["continues another volume", tarBytes({ name: "f", flag: "M" }), /is of type "M"/],
    [
      "has a symlink with a body",
      tarBytes({ name: "f", flag: "2", target: "x", body: "y" }),
      /after "f" has a header with/,
    ],
    ["has a pax size beyond all", tarBytes(paxBytes({ size: "99999999999999999999" }), file("f")), /size out of range/],
    ["has a negative pax size", tarBytes(paxBytes({ size: "-1" }), file("f")), /size out of range/],
    [
      "has a malformed pax header",
      tarBytes({ name: "p", flag: "x", body: "999 path=x\n" }, file("f")),
      /malformed pax/,
    ],
    ["has a giant extension", tarBytes({ name: "p", flag: "x", size: 2 ** 30 }), /extension of 1073741824 bytes/],
    [
      "has many extensions for one entry",
      tarBytes(...Array.from({ length: 20 }, (_, i) => paxBytes({ [`note.${i}`]: "x".repeat(60_000) })), file("f")),
      /has an extension of 1[0-9]{6} bytes/,
    ],
    ["renames all by a global header", tarBytes(paxBytes({ path: "x" }, "g"), file("f")), /in a global header/],
    ["announces an entry that is missing", tarBytes(paxBytes({ path: "x" })), /missing/],
    ["has the owner that means nobody", tarBytes(paxBytes({ uid: "4294967295" }), file("f")), /owner out of range/],
    [
      "has a letter in a number",
      tarBytes(file("f", "x", { raw: [[100, Buffer.from("00x0644\0")]] })),
      /not an octal number/,
    ],
    ["has no entries but bytes", Buffer.alloc(700), /the first tar entry is cut off/],
  ])("refuses an archive that %s", (_what, bytes, message) => {
    expect(() => read(bytes)).toThrow(TarFault);
    expect(() => read(bytes)).toThrow(message);
  });
});
