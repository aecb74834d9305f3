import { describe, expect, it } from "vitest";
import { ImageError } from "../../../src/errors/all.ts";
import { filtered } from "../support/filtered.ts";
import { file, folder, hardLink, paxBytes, type RawEntry, symlink } from "../support/tar-bytes.ts";

describe("LayerFilter refuses", () => {
  it.each<[string, (RawEntry | Buffer)[], RegExp]>([
    ["a name that climbs", [file("../x")], /"\.\.\/x" leaves the root/],
    ["a name that climbs later", [file("a/b/../../../x")], /leaves the root/],
    ["a name that climbs and stays", [file("a/../x")], /leaves the root/],
    ["a name that is dots", [folder("..")], /leaves the root/],
    ["an absolute name of dots", [folder("/..")], /leaves the root/],
    ["an empty name", [file("")], /has an empty name/],
    ["a NUL in a name", [paxBytes({ path: "a\0b" }), file("x")], /NUL in its name/],
    ["a component too long", [paxBytes({ path: "n".repeat(300) }), file("x")], /component of 300 bytes/],
    ["a name too long", [paxBytes({ path: `${"n/".repeat(2100)}n` }), file("x")], /name of 4201 bytes/],
    ["a write below a file", [file("f"), file("f/g")], /lies beneath "f", which is not a folder/],
    ["a hard link that climbs", [hardLink("h", "../../etc/shadow")], /"h" leaves the root/],
    [
      "a hard link to the host's file",
      [hardLink("h", "/etc/shadow")],
      /"h" is a hard link to "\/etc\/shadow", which is not a file of the image/,
    ],
    [
      "a hard link through a symlink",
      [symlink("l", "/etc"), hardLink("h", "l/shadow")],
      /"h" is a hard link to "l\/shadow", which is not a file of the image/,
    ],
    ["a hard link to what comes later", [hardLink("h", "f"), file("f")], /which is not a file of the image/],
    ["a hard link to a folder", [folder("d/"), hardLink("h", "d")], /hard link to the folder "d"/],
    ["a hard link to itself", [file("f"), hardLink("f", "./f")], /hard link to itself/],
    ["a hard link to the root", [hardLink("f", ".")], /hard link to the root/],
    ["a root that is a symlink", [symlink("./", "/etc")], /makes the root a symlink/],
    ["a symlink to nothing", [symlink("l", "")], /symlink to nothing/],
    ["a whiteout of the folder itself", [file("a/.wh..", "")], /whiteout of nothing/],
    ["a whiteout of the parent", [file("a/.wh...", "")], /whiteout of nothing/],
    [
      "a loop of symlinks",
      [symlink("a", "b"), symlink("b", "a"), file("a/f")],
      /"a\/f" goes through too many symlinks/,
    ],
    ["something in a device", [{ name: "d", flag: "4" }, file("d/f")], /lies beneath "d", which is not a folder/],
    ["something in a whiteout", [file(".wh.a/b")], /whose name is a whiteout/],
  ])("%s", (_what, entries, message) => {
    expect(() => filtered(entries)).toThrow(ImageError);
    expect(() => filtered(entries)).toThrow(message);
  });

  it("long symlinks that many names go through", () => {
    const target = `${"n".repeat(254)}/`.repeat(11);
    const link = [paxBytes({ linkpath: target }), symlink("l", "x")];
    const through = Array.from({ length: 6000 }, (_, i) => file(`l/f${i}`, ""));
    expect(() => filtered([...link, ...through], { entries: 10_000, memory: 1e8 })).toThrow(
      /goes beyond 16777216 bytes of symlinks that names go through, the limit/,
    );
  });

  it("a bomb, before its content comes", () => {
    expect(() => filtered([{ name: "f", size: 2 ** 32 }])).toThrow(/"f" goes beyond 1000000 bytes, the limit/);
    expect(() => filtered([file("a"), file("b"), file("c")], { entries: 2 })).toThrow(/"c" goes beyond 2 entries, the/);
  });

  it("a bomb of folders that no entry lists", () => {
    expect(() => filtered([file("a/b/c/f")], { entries: 3 })).toThrow(/"a\/b\/c\/f" goes beyond 3 entries, the limit/);
    const deep = (depth: number) => paxBytes({ path: `${"d/".repeat(depth)}f` });
    expect(filtered([deep(255), file("x")]).findings.entries).toBe(256);
    expect(() => filtered([deep(256), file("x")])).toThrow(/goes beyond 256 folders in one another, the limit/);
  });

  it("what would not fit in memory, in any kind of entry", () => {
    const long = "n".repeat(200);
    for (const entries of [
      Array.from({ length: 5 }, (_, i) => [paxBytes({ path: long + i }), file("x")]),
      Array.from({ length: 5 }, (_, i) => [paxBytes({ linkpath: long }), symlink(`l${i}`, "x")]),
      Array.from({ length: 5 }, (_, i) => [symlink(`l${i}`, "x")]),
      Array.from({ length: 5 }, (_, i) => [paxBytes({ "SCHILY.xattr.user.a": long }), folder(`d${i}`)]),
      Array.from({ length: 5 }, (_, i) => [paxBytes({ path: long + i }), { name: "x", flag: "3" }]),
    ])
      expect(() => filtered(entries.flat(), { memory: 1200 })).toThrow(
        /goes beyond 1200 bytes of names, link targets and attributes, the limit/,
      );
  });

  it("what no file system accepts", () => {
    const path = `${"n".repeat(200)}/`.repeat(15);
    expect(filtered([paxBytes({ path: path.slice(1) }), folder("x")]).findings.entries).toBe(15);
    expect(() => filtered([paxBytes({ path: `${path}${"n".repeat(100)}` }), file("x")])).toThrow(
      /3072 bytes of a path/,
    );
    expect(() => filtered([paxBytes({ linkpath: "t".repeat(4096) }), symlink("l", "x")])).toThrow(
      /"l" goes beyond 4095 bytes of a link's target, the limit/,
    );
    const big = { "SCHILY.xattr.user.a": "v".repeat(40_000), "SCHILY.xattr.user.b": "v".repeat(40_000) };
    expect(() => filtered([paxBytes(big), file("f")])).toThrow(/"f" goes beyond 65536 bytes of attributes, the limit/);
    const names = Array.from({ length: 300 }, (_, i) => [`SCHILY.xattr.user.${"n".repeat(230)}${i}`, ""]);
    expect(() => filtered([paxBytes(Object.fromEntries(names)), file("f")])).toThrow(/65536 bytes of attributes/);
  });
});
