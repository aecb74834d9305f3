import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ImageError } from "../../../src/errors/all.ts";
import { LayerFilter } from "../../../src/images/layer/filter.ts";
import { LowerLayers } from "../../../src/images/layer/lower-layers.ts";
import type { TarEntry } from "../../../src/tar/entry.ts";
import { TarReader } from "../../../src/tar/reader.ts";
import { filtered, finalLines, lines } from "../support/filtered.ts";
import { file, folder, hardLink, paxBytes, type RawEntry, symlink, tarBytes } from "../support/tar-bytes.ts";

/** All that the filter writes, each time that it does, with its content. */
function written(entries: readonly (RawEntry | Buffer)[], owner?: { uid: number; gid: number }) {
  const filter = new LayerFilter({
    image: "img",
    lower: new LowerLayers([]),
    whiteouts: true,
    limits: { bytes: 1e6, entries: 1000, memory: 1e6 },
    owner,
  });
  const reader = new TarReader((fault) => new ImageError("img", fault.message), filter);
  reader.push(tarBytes(...entries));
  reader.end();
  for (const _step of filter.finish());
  const found: (TarEntry & { body: string })[] = [];
  const check = new TarReader((fault) => fault, {
    entry: (entry) => found.push({ ...entry, body: "" }),
    data: (bytes) => {
      const last = found.at(-1);
      if (last !== undefined) last.body += bytes;
    },
  });
  check.push(filter.output.take());
  check.end();
  return found;
}

const chain = (length: number) =>
  Array.from({ length }, (_, at) => symlink(`l${at}`, at === length - 1 ? "end" : `l${at + 1}`));

describe("LayerFilter", () => {
  it("creates a folder with default metadata, and sets the archive's once it is complete", () => {
    const d = folder("d/", { mode: 0o750, uid: 5, gid: 6, mtime: 7 });
    const of = written([paxBytes({ "SCHILY.xattr.user.a": "b" }), d, file("d/f", "body")]).filter(
      ({ name }) => name === "d",
    );
    expect(of).toMatchObject([
      { mode: 0o700, mtime: "0", uid: 5, gid: 6, xattrs: new Map() },
      { mode: 0o750, mtime: "7", uid: 5, gid: 6, xattrs: new Map([["user.a", "b"]]) },
    ]);
  });

  it("uses the last entry of a folder and of the root", () => {
    const found = written([
      folder("./", { mode: 0o700 }),
      folder("d/"),
      folder("d/", { mode: 0o711 }),
      folder("./", { mode: 0o555 }),
    ]);
    expect(found.map(({ name, mode }) => [name, mode])).toEqual([
      ["d", 0o700],
      ["d", 0o711],
      ["./", 0o555],
    ]);
  });

  it("passes on the content of files and the modes and times of everything except folders", () => {
    const found = written([
      file("f", "body", { mode: 0o4755, mtime: 9 }),
      { name: "p", flag: "6", mode: 0o600 },
      hardLink("h", "f"),
      symlink("l", "x"),
    ]);
    expect(found.map(({ type, name, target, body }) => [type, name, target, body])).toEqual([
      ["file", "f", "", "body"],
      ["fifo", "p", "", ""],
      ["link", "h", "f", ""],
      ["symlink", "l", "x", ""],
      ["directory", "./", "", ""],
    ]);
    expect(found[0]).toMatchObject({ mode: 0o4755, mtime: "9" });
    expect(found[1]).toMatchObject({ mode: 0o600 });
  });

  it("does not pass on the content of what it omits", () => {
    const found = written([
      file("a", "first"),
      file(".wh..wh.aufs", "left out"),
      file("b", "second"),
      file(".wh.c", "no content"),
    ]);
    expect(found.map(({ name, body }) => [name, body])).toEqual([
      ["a", "first"],
      ["b", "second"],
      ["./", ""],
    ]);
  });

  it("gives the staging folder the owner of all files, and hides it from every other user", () => {
    const owner = { uid: 1000, gid: 1001 };
    const found = written([folder("./", owner), folder("d/", owner), file("d", "x", owner)], owner);
    const staging = found.find(({ name }) => name.startsWith(".pileus-") && !name.includes("/"));
    expect(staging).toMatchObject({ type: "directory", mode: 0o700, ...owner });
  });

  it("says whether names that would be whiteouts are files", () => {
    const literal = (name: string, whiteouts: boolean) => filtered([file(name)], { whiteouts }).findings.literal;
    expect([literal(".wh.a", false), literal("d/.wh.a/f", false)]).toEqual([true, true]);
    expect([literal("wh.a", false), literal(".wh.a", true)]).toEqual([false, false]);
    expect(filtered([file(".wh.a"), file("f")], { whiteouts: false }).findings.literal).toBe(true);
  });

  it("has neither replacements nor a folder for them when no entry was replaced", () => {
    expect(filtered([file("f"), folder("d/"), symlink("l", "f")]).findings).toMatchObject({
      staging: undefined,
      replacements: [],
      opaque: [],
      devices: 0,
      entries: 3,
    });
  });

  it("follows at most forty symlinks", () => {
    expect(lines(filtered([...chain(40), file("l0/f")]))).toContain("file end/f");
    expect(() => filtered([...chain(41), file("l0/f")])).toThrow(/"l0\/f" goes through too many symlinks/);
  });

  it("counts the bytes and folders of a resolved name, not of the written one", () => {
    const deep = (depth: number, of = "d/") => of.repeat(depth).slice(0, -1);
    const to = (target: string) => [paxBytes({ linkpath: target }), symlink("l", "x")];
    const through = (target: string, name: string) => () => filtered([...to(target), file(name, "")]);
    expect(through(deep(254), "l/d/f")).not.toThrow();
    expect(through(deep(255), "l/d/f")).toThrow(/"l\/d\/f" goes beyond 256 folders in one another/);
    const long = `${"n".repeat(254)}/`;
    expect(through(deep(12, long), `l/${"f".repeat(12)}`)).not.toThrow();
    expect(through(deep(12, long), `l/${"f".repeat(13)}`)).toThrow(/goes beyond 3072 bytes of a path/);
    expect(through(deep(12, long), `l/${"f".repeat(13)}/g`)).toThrow(/goes beyond 3072 bytes of a path/);
    expect(through(deep(12, long), `l/.wh.${"f".repeat(13)}`)).not.toThrow();
  });

  it("refuses a symlink to a name that contains NUL", () => {
    expect(() => filtered([paxBytes({ linkpath: "a\0b" }), symlink("l", "x")])).toThrow(/"l" is a symlink to nothing/);
  });

  it("accepts a hard link to a hard link", () => {
    expect(lines(filtered([file("f"), hardLink("h", "f"), hardLink("k", "h"), hardLink("h", "k")]))).toEqual([
      "file f",
      "link h -> f",
      "link k -> h",
      "link h -> k",
    ]);
  });

  it("counts the folders of a whiteout", () => {
    const deep = "d/".repeat(256);
    const whiteout = (depth: number) => paxBytes({ path: `${"d/".repeat(depth)}.wh.x` });
    const over = (depth: number) => () =>
      filtered([paxBytes({ path: deep }), folder("x/"), whiteout(depth), file("x", "")]);
    expect(over(255)).not.toThrow();
    expect(over(256)).toThrow(/goes beyond 256 folders in one another/);
  });

  it("makes a hard link to a symlink a link if the symlink was written, else another symlink", () => {
    expect(finalLines(filtered([symlink("s", "x"), hardLink("a", "s"), hardLink("b", "a")]))).toEqual([
      "link a -> s",
      "link b -> s",
      "symlink s -> x",
    ]);
    expect(finalLines(filtered([symlink("s", "x"), hardLink("a", "s"), file("s")]))).toEqual([
      "file s",
      "symlink a -> x",
    ]);
  });
});

describe("LayerFilter over a lower layer", () => {
  let lower: string;
  beforeAll(() => {
    lower = mkdtempSync(join(tmpdir(), "pileus-images-details-"));
    mkdirSync(join(lower, "a/b/c"), { recursive: true });
    mkdirSync(join(lower, "e"));
    for (const path of ["a/f", "a/b/f", "a/b/c/f"]) writeFileSync(join(lower, path), "");
    symlinkSync("../a/b", join(lower, "e/up"));
  });
  afterAll(() => rmSync(lower, { recursive: true, force: true }));
  const over = (...entries: (RawEntry | Buffer)[]) => filtered(entries, { lower });

  it('resolves ".." after its symlink', () => {
    expect(lines(over(file("e/up/new")))).toEqual(["directory e", "directory a", "directory a/b", "file a/b/new"]);
    expect(lines(over(symlink("x", "e/up/../b/c"), file("x/new")))).toContain("file a/b/c/new");
  });

  it("hides in unlisted folders, each made once", () => {
    expect(finalLines(over(file("a/b/.wh.f", ""), file("a/b/c/.wh.f", ""), file("a/.wh.f", "")))).toEqual([
      "character a/b/c/f",
      "character a/b/f",
      "character a/f",
      "directory a",
      "directory a/b",
      "directory a/b/c",
    ]);
  });

  it("links to what was linked from a lower layer", () => {
    const { lowerLinks } = over(hardLink("copy", "a/f"), hardLink("again", "copy")).findings;
    expect([...lowerLinks.keys()].sort()).toEqual(["again", "copy"]);
    expect(lowerLinks.get("again")).toEqual(lowerLinks.get("copy"));
  });

  it("hides nothing because of the metadata of AUFS", () => {
    writeFileSync(join(lower, ".wh.plnk"), "");
    expect(lines(over(file(".wh..wh.plnk", "")))).toEqual([]);
  });

  it("does not follow a symlink that was hidden meanwhile", () => {
    symlinkSync(".", join(lower, "a/self"));
    const hidden = [folder("a/self/b/"), folder("a/self/b/"), file("a/self/.wh..wh..opq", ""), file("a/self/new")];
    expect(lines(over(...hidden))).toContain("file a/self/new");
  });

  it("marks an unlisted folder, but not one that lower layers lack", () => {
    expect(over(file("a/b/.wh..wh..opq", "")).findings.opaque).toEqual(["a/b"]);
    expect(over(folder("new/"), file("new/.wh..wh..opq", "")).findings.opaque).toEqual([]);
    expect(over(folder("a/f/"), file("a/f/.wh..wh..opq", "")).findings.opaque).toEqual([]);
    expect(over(file(".wh.a", ""), folder("a/"), file("a/.wh..wh..opq", "")).findings.opaque).toEqual(["a"]);
  });

  it("holds whiteouts within its limit of memory", () => {
    const whiteouts = Array.from({ length: 20 }, (_, at) => file(`a/.wh.${at}`, ""));
    expect(() => filtered(whiteouts, { lower, memory: 1000 })).toThrow(/1000 bytes of names/);
  });

  it("keeps the metadata of the lower root when the archive does not list the root", () => {
    const { entries } = over(file("f"));
    expect(entries.at(-1)).toMatchObject({ name: "./", mode: 0o700 });
  });
});
