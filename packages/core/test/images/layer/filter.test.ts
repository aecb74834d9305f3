import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { HostError, ImageError } from "../../../src/contract/errors.ts";
import { LayerFilter, type LayerFindings } from "../../../src/images/layer/filter.ts";
import type { LayerLimits } from "../../../src/images/layer/limits.ts";
import { LowerLayers } from "../../../src/images/layer/lower-layers.ts";
import type { TarEntry } from "../../../src/tar/entry.ts";
import { TarReader } from "../../../src/tar/reader.ts";
import { file, folder, hardLink, paxBytes, type RawEntry, symlink, tarBytes } from "../support/tar-bytes.ts";

interface Filtered {
  readonly findings: LayerFindings;
  readonly entries: TarEntry[];
}

let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "pileus-images-filter-"));
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

function filtered(
  entries: readonly (RawEntry | Buffer)[],
  options: { lower?: boolean; whiteouts?: boolean; owner?: { uid: number; gid: number } } & Partial<LayerLimits> = {},
): Filtered {
  const lower = new LowerLayers(options.lower ? [{ tree: base, opaque: [] }] : []);
  const filter = new LayerFilter({
    image: "img",
    lower,
    whiteouts: options.whiteouts ?? true,
    limits: { bytes: 1e6, entries: 1000, memory: 1e6, ...options },
    owner: options.owner,
  });
  const reader = new TarReader((fault) => new ImageError("img", fault.message), filter);
  reader.push(tarBytes(...entries));
  reader.end();
  const findings = finished(filter);
  const out: TarEntry[] = [];
  const check = new TarReader((fault) => new ImageError("out", fault.message), {
    entry: (entry) => out.push(entry),
    data: () => undefined,
  });
  check.push(filter.output.take());
  check.end();
  return { findings, entries: out };
}

/** Takes all steps of the end. */
function finished(filter: LayerFilter): LayerFindings {
  const steps = filter.finish();
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

const lines = ({ entries }: Filtered) =>
  entries.map(({ type, name, target }) => `${type} ${name}${target === "" ? "" : ` -> ${target}`}`);

describe("LayerFilter refuses", () => {
  it.each<[string, (RawEntry | Buffer)[], RegExp]>([
    ["an absolute name", [file("/etc/passwd")], /"\/etc\/passwd" leaves the root: its name is absolute/],
    ["an absolute name by pax", [paxBytes({ path: "/etc/passwd" }), file("ok")], /"\/etc\/passwd" leaves the root/],
    ["a name that climbs", [file("../x")], /"\.\.\/x" leaves the root/],
    ["a name that climbs later", [file("a/b/../../../x")], /leaves the root/],
    ["a name that climbs and stays", [file("a/../x")], /leaves the root/],
    ["a name that is dots", [folder("..")], /leaves the root/],
    ["an absolute name of dots", [folder("/..")], /leaves the root/],
    ["an empty name", [file("")], /has an empty name/],
    ["a NUL in a name", [paxBytes({ path: "a\0b" }), file("x")], /NUL in its name/],
    ["a component too long", [paxBytes({ path: "n".repeat(300) }), file("x")], /component of 300 bytes/],
    ["a name too long", [paxBytes({ path: `${"n/".repeat(2100)}n` }), file("x")], /name of 4201 bytes/],
    ["a write through a symlink", [symlink("l", "/etc"), file("l/passwd")], /"l\/passwd" goes through the symlink "l"/],
    ["a folder in a symlink", [symlink("l", "/etc"), folder("l/d/")], /goes through the symlink "l"/],
    ["a symlink below a symlink", [symlink("a", "b"), symlink("a/c", "/")], /goes through the symlink "a"/],
    ["a write below a file", [file("f"), file("f/g")], /lies beneath "f", which is no folder/],
    ["a folder that becomes a symlink", [folder("d/"), symlink("d", "/etc")], /has the name of an entry before it/],
    [
      "a folder made on the way that becomes a symlink",
      [file("d/f"), symlink("d", "/etc")],
      /name of an entry before it/,
    ],
    ["a symlink that becomes a folder", [symlink("d", "/etc"), folder("d/")], /has the name of an entry before it/],
    ["a clash by trailing slash", [file("d"), folder("d/")], /has the name of an entry before it/],
    ["a hard link that climbs", [hardLink("h", "../../etc/shadow")], /"h" leaves the root/],
    [
      "a hard link to the host's file",
      [hardLink("h", "/etc/shadow")],
      /"h" is a hard link to "\/etc\/shadow", which is no file/,
    ],
    [
      "a hard link through a symlink",
      [symlink("l", "/etc"), hardLink("h", "l/shadow")],
      /"h" goes through the symlink "l"/,
    ],
    ["a hard link to what comes later", [hardLink("h", "f"), file("f")], /which is no file of the image/],
    ["a hard link to a folder", [folder("d/"), hardLink("h", "d")], /hard link to the folder "d"/],
    ["a hard link to itself", [file("f"), hardLink("f", "./f")], /hard link to itself/],
    ["a hard link to the root", [hardLink("f", ".")], /hard link to the root/],
    ["a root that is a symlink", [symlink("./", "/etc")], /makes the root a symlink/],
    ["a symlink to nothing", [symlink("l", "")], /symlink to nothing/],
    ["a whiteout of the folder itself", [file("a/.wh..", "")], /whiteout of nothing/],
    ["a whiteout of the parent", [file("a/.wh...", "")], /whiteout of nothing/],
    ["a device in a file's place", [file("f"), { name: "f", flag: "3" }], /"f" is a device with the name of a file/],
    ["something in a device", [{ name: "d", flag: "4" }, file("d/f")], /lies beneath "d", which is no folder/],
    ["something in a whiteout", [file(".wh.a/b")], /whose name is a whiteout/],
  ])("%s", (_what, entries, message) => {
    expect(() => filtered(entries)).toThrow(ImageError);
    expect(() => filtered(entries)).toThrow(message);
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

  it("what would not fit in memory, whatever holds it", () => {
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

  it("what no file system takes", () => {
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

describe("LayerFilter writes", () => {
  it("plain names, folders before what is in them, and symlinks last", () => {
    const result = filtered(
      [folder("./"), symlink("./l", "../../x"), file("./a//b/./f"), hardLink("k", "l"), file("/")].slice(0, 4),
    );
    expect(lines(result)).toEqual([
      "directory ./",
      "directory a",
      "directory a/b",
      "file a/b/f",
      "symlink l -> ../../x",
      "link k -> l",
    ]);
  });

  it("the root when the archive has none", () => {
    expect(lines(filtered([file("f")]))).toEqual(["file f", "directory ./"]);
  });

  it("no devices, and says how many it left out", () => {
    const result = filtered([
      { name: "sda", flag: "4" },
      { name: "null", flag: "3" },
      hardLink("n", "null"),
      file("f"),
    ]);
    expect(lines(result)).toEqual(["file f", "directory ./"]);
    expect(result.findings.devices).toBe(3);
  });

  it("a hard link to what took the place of a device", () => {
    const result = filtered([{ name: "n", flag: "3" }, file("n"), hardLink("h", "n")]);
    expect(lines(result)).toEqual(["file n", "link h -> n", "directory ./"]);
    expect(lines(filtered([symlink("l", "x"), { name: "l", flag: "3" }]))).toEqual(["directory ./"]);
  });

  it("nothing of what AUFS keeps for itself, wherever", () => {
    const names = [".wh..wh.plnk/", ".wh..wh.plnk/12.34", ".wh..wh.aufs", "d/.wh..wh.orph/x"];
    expect(lines(filtered(names.map((name) => (name.endsWith("/") ? folder(name) : file(name)))))).toEqual([
      "directory ./",
    ]);
  });

  it("file capabilities and ACLs, and nothing that overlayfs or a security module reads", () => {
    const kept = { "SCHILY.xattr.security.capability": "c", "SCHILY.xattr.user.a": "b" };
    const dropped = {
      "SCHILY.xattr.trusted.overlay.redirect": "/x",
      "SCHILY.xattr.security.selinux": "s",
      "SCHILY.xattr.user.": "",
    };
    const { entries } = filtered([paxBytes({ ...kept, ...dropped }), file("f")]);
    expect([...(entries[0]?.xattrs.keys() ?? [])]).toEqual(["security.capability", "user.a"]);
  });

  it("the longest attribute that Linux takes, whatever is dropped beside it", () => {
    const big = { "SCHILY.xattr.user.a": "v".repeat(65_536), "SCHILY.xattr.trusted.b": "v".repeat(65_536) };
    const { entries } = filtered([paxBytes(big), file("f")]);
    expect(entries[0]?.xattrs.get("user.a")).toHaveLength(65_536);
  });

  it("the later of two entries with one name", () => {
    expect(lines(filtered([symlink("f", "x"), file("f", "y")]))).toEqual(["file f", "directory ./"]);
    expect(lines(filtered([file("f"), symlink("f", "x")]))).toEqual(["file f", "directory ./", "symlink f -> x"]);
  });

  it("whiteout names as they are when they are files", () => {
    expect(lines(filtered([file(".wh.a")], { whiteouts: false }))).toEqual(["file .wh.a", "directory ./"]);
  });
});

describe("LayerFilter over lower layers", () => {
  beforeEach(() => {
    mkdirSync(join(base, "usr/bin"), { recursive: true, mode: 0o700 });
    mkdirSync(join(base, "d/inner"), { recursive: true });
    writeFileSync(join(base, "usr/bin/old"), "");
    symlinkSync("usr/bin", join(base, "bin"));
    symlinkSync("/../../usr", join(base, "abs"));
    symlinkSync("loop", join(base, "loop"));
  });
  const over = (...entries: (RawEntry | Buffer)[]) => filtered([folder("./"), ...entries], { lower: true });

  it("follows their symlinks, held within the root, and keeps the attributes of folders on the way", () => {
    const result = over(file("bin/new"), file("abs/x"));
    expect(lines(result)).toEqual([
      "directory ./",
      "directory usr",
      "directory usr/bin",
      "file usr/bin/new",
      "file usr/x",
    ]);
    expect(result.entries[2]?.mode).toBe(0o700);
  });

  it("puts a folder in the place of a symlink when the layer says so", () => {
    expect(lines(over(file("bin/a"), folder("bin/"), file("bin/b"))).slice(-2)).toEqual([
      "directory bin",
      "file bin/b",
    ]);
  });

  it("finds what several layers share, as an overlay of them shows it", () => {
    const [below, above] = ["below", "above"].map((name) => join(base, name)) as [string, string];
    for (const tree of [below, above]) mkdirSync(join(tree, "both/opaque"), { recursive: true });
    mkdirSync(join(below, "file/hidden"), { recursive: true });
    for (const path of ["both/opaque/hidden", "both/low", "both/same"]) writeFileSync(join(below, path), "");
    for (const path of ["both/opaque/shown", "file", "both/same"]) writeFileSync(join(above, path), "");
    const lower = new LowerLayers([
      { tree: below, opaque: [] },
      { tree: above, opaque: ["both/opaque"] },
    ]);
    const found = (path: string) =>
      lower
        .find(path.split("/"))
        ?.host.toString()
        .slice(base.length + 1);
    expect(found("both/low")).toBe("below/both/low");
    expect(found("both/same")).toBe("above/both/same");
    expect(found("both/opaque/shown")).toBe("above/both/opaque/shown");
    expect(found("both/opaque")).toBe("above/both/opaque");
    for (const path of ["both/opaque/hidden", "file/hidden", "none/at/all", `both/${"n".repeat(300)}`])
      expect(found(path)).toBeUndefined();
  });

  it("ends at a loop of symlinks", () => {
    expect(() => over(file("loop/x"))).toThrow(/too many symlinks/);
  });

  it("turns whiteouts into 0/0 devices, and drops those that hide nothing", () => {
    const result = over(file("usr/bin/.wh.old", ""), file("usr/.wh.none", ""));
    expect(lines(result).at(-1)).toBe("character usr/bin/old");
    expect(result.entries.filter(({ type }) => type === "character")).toHaveLength(1);
  });

  it("hides only what lies beneath: what the layer itself has stays", () => {
    const result = over(
      file("usr/bin/old"),
      file("usr/bin/.wh.old", ""),
      folder("d/"),
      file("d/new"),
      file(".wh.d", ""),
    );
    expect(result.entries.some(({ type }) => type === "character")).toBe(false);
    expect(result.findings.opaque).toEqual(["d"]);
  });

  it("marks opaque folders once they are known to be", () => {
    const result = over(folder("d/", { mode: 0o711 }), file("d/.wh..wh..opq", ""), file("d/new"));
    const marked = result.entries.findLast(({ name }) => name === "d");
    expect(marked).toMatchObject({ type: "directory", mode: 0o711 });
    expect(marked?.xattrs).toEqual(new Map([["trusted.overlay.opaque", "y"]]));
  });

  it("hides nothing by itself in an opaque folder, where it would show", () => {
    for (const opaque of ["d/.wh..wh..opq", ".wh.d"]) {
      const result = over(folder("d/"), file("d/.wh.inner", ""), file(opaque, ""), folder("d/sub/"));
      expect(result.entries.some(({ type }) => type === "character")).toBe(false);
      expect(result.findings.opaque).toEqual(["d"]);
    }
  });

  it("hides what a device would have been put over, and what took its place is seen", () => {
    const device = { name: "usr/bin/old", flag: "3" };
    expect(lines(over(device)).at(-1)).toBe("character usr/bin/old");
    expect(lines(over(device, file("usr/bin/old"))).at(-1)).toBe("file usr/bin/old");
  });

  it("hides every name in the root when the root is opaque", () => {
    const result = over(file(".wh..wh..opq", ""), folder("usr/"));
    expect(
      lines(result)
        .filter((line) => line.startsWith("character"))
        .sort(),
    ).toEqual(["abs", "bin", "d", "loop"].map((name) => `character ${name}`));
    expect(result.findings.opaque).toEqual(["usr"]);
  });

  it("links to files of lower layers, but not to what a whiteout hides", () => {
    const result = over(hardLink("copy", "bin/old"));
    expect([...result.findings.lowerLinks]).toEqual([["copy", Buffer.from(join(base, "usr/bin/old"))]]);
    expect(() => over(file("usr/bin/.wh.old", ""), hardLink("copy", "usr/bin/old"))).toThrow(/no file of the image/);
    expect(() => over(hardLink("copy", "bin"))).toThrow(/no file of the image/);
  });

  it.each([
    ["a whiteout", [file(".wh.usr", ""), folder("usr/")]],
    ["a whiteout of an unlisted folder", [file(".wh.usr", "")]],
    ["an opaque mark", [folder("usr/"), file("usr/.wh..wh..opq", "")]],
    ["an opaque root", [file(".wh..wh..opq", "")]],
  ])("takes nothing that %s above hides: no symlink, no attribute, no file", (_what, hiding) => {
    symlinkSync("/d", join(base, "usr/cur"));
    const result = over(...hiding, file("usr/cur/x"), file("usr/bin/x"));
    expect(lines(result)).toContain("file usr/cur/x");
    expect(result.entries.find(({ name }) => name === "usr/bin")?.mode).toBe(0o755);
    for (const target of ["usr/bin/old", "usr/cur/f"]) {
      writeFileSync(join(base, "d/f"), "");
      expect(() => over(...hiding, hardLink("usr/copy", target))).toThrow(/no file of the image/);
    }
  });

  it("follows no symlink once it is hidden, though the folder before was found through it", () => {
    symlinkSync(".", join(base, "d/self"));
    const result = over(file("d/self/a"), file("d/self/.wh..wh..opq", ""), file("d/self/b"));
    expect(lines(result)).toEqual(expect.arrayContaining(["file d/a", "file d/self/b"]));
  });
});

describe("LayerFilter for one who cannot give files away", () => {
  const owner = { uid: 1000, gid: 1000 };

  it("passes what is theirs", () => {
    const result = filtered([folder("./", owner), folder("d/", owner), file("d/f", "x", owner)], { owner });
    expect(lines(result)).toEqual(["directory ./", "directory d", "file d/f"]);
  });

  it.each([
    ["of another user", file("f", "x", { uid: 1001, gid: 1000 }), /it has files of 1001:1000.*root/],
    ["of another group", file("f", "x", { uid: 1000, gid: 1001 }), /it has files of 1000:1001.*root/],
    ["in a folder that the archive does not give an owner", file("d/f", "x", owner), /it has files of 0:0.*root/],
  ])("refuses a file %s with HostError", (_, entry, told) => {
    const refused = () => filtered([folder("./", owner), entry], { owner });
    expect(refused).toThrow(HostError);
    expect(refused).toThrow(told);
  });
});
