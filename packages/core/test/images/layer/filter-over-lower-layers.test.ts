import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LowerLayers } from "../../../src/images/layer/lower-layers.ts";
import { filtered, lines } from "../support/filtered.ts";
import { file, folder, hardLink, type RawEntry } from "../support/tar-bytes.ts";

let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "pileus-images-filter-"));
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

describe("LayerFilter over lower layers", () => {
  beforeEach(() => {
    mkdirSync(join(base, "usr/bin"), { recursive: true, mode: 0o700 });
    mkdirSync(join(base, "d/inner"), { recursive: true });
    writeFileSync(join(base, "usr/bin/old"), "");
    symlinkSync("usr/bin", join(base, "bin"));
    symlinkSync("/../../usr", join(base, "abs"));
    symlinkSync("loop", join(base, "loop"));
  });
  const over = (...entries: (RawEntry | Buffer)[]) => filtered([folder("./"), ...entries], { lower: base });

  it("follows their symlinks within the root, and keeps the attributes of folders on the way", () => {
    const result = over(file("bin/new"), file("abs/x"));
    expect(lines(result)).toEqual(["directory usr", "directory usr/bin", "file usr/bin/new", "file usr/x"]);
    expect(result.entries[1]?.mode).toBe(0o700);
  });

  it("replaces a symlink by a folder when the layer says so", () => {
    expect(lines(over(file("bin/a"), folder("bin/"), file("bin/b"))).slice(-2)).toEqual([
      "directory bin",
      "file bin/b",
    ]);
  });

  it("finds what an overlay of several layers shows", () => {
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

  it("turns whiteouts into 0/0 devices, and omits those that hide nothing", () => {
    const result = over(file("usr/bin/.wh.old", ""), file("usr/.wh.none", ""));
    expect(lines(result).at(-1)).toBe("character usr/bin/old");
    expect(result.entries.filter(({ type }) => type === "character")).toHaveLength(1);
  });

  it("hides only lower layers, not entries of the layer itself", () => {
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

  it("marks folders as opaque once their marker was read", () => {
    const result = over(folder("d/", { mode: 0o711 }), file("d/.wh..wh..opq", ""), file("d/new"));
    const marked = result.entries.findLast(({ name }) => name === "d");
    expect(marked).toMatchObject({ type: "directory", mode: 0o711 });
    expect(marked?.xattrs).toEqual(new Map([["trusted.overlay.opaque", "y"]]));
  });

  it("writes no whiteout into an opaque folder, where it would be visible", () => {
    for (const opaque of ["d/.wh..wh..opq", ".wh.d"]) {
      const result = over(folder("d/"), file("d/.wh.inner", ""), file(opaque, ""), folder("d/sub/"));
      expect(result.entries.some(({ type }) => type === "character")).toBe(false);
      expect(result.findings.opaque).toEqual(["d"]);
    }
  });

  it("hides what a device would have replaced, and shows what took the device's place", () => {
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
    expect(() => over(file("usr/bin/.wh.old", ""), hardLink("copy", "usr/bin/old"))).toThrow(/not a file of the image/);
    expect(() => over(hardLink("copy", "usr"))).toThrow(/not a file of the image/);
    expect([...over(hardLink("copy", "bin")).findings.lowerLinks]).toEqual([["copy", Buffer.from(join(base, "bin"))]]);
  });

  it.each([
    ["a whiteout", [file(".wh.usr", ""), folder("usr/")]],
    ["a whiteout of an unlisted folder", [file(".wh.usr", "")]],
    ["an opaque mark", [folder("usr/"), file("usr/.wh..wh..opq", "")]],
    ["an opaque root", [file(".wh..wh..opq", "")]],
  ])("uses no symlink, attribute or file that %s above hides", (_what, hiding) => {
    symlinkSync("/d", join(base, "usr/cur"));
    const result = over(...hiding, file("usr/cur/x"), file("usr/bin/x"));
    expect(lines(result)).toContain("file usr/cur/x");
    expect(result.entries.find(({ name }) => name === "usr/bin")?.mode).toBe(0o755);
    for (const target of ["usr/bin/old", "usr/cur/f"]) {
      writeFileSync(join(base, "d/f"), "");
      expect(() => over(...hiding, hardLink("usr/copy", target))).toThrow(/not a file of the image/);
    }
  });

  it("does not follow a symlink once it is hidden, even if an earlier folder was found through it", () => {
    symlinkSync(".", join(base, "d/self"));
    const result = over(file("d/self/a"), file("d/self/.wh..wh..opq", ""), file("d/self/b"));
    expect(lines(result)).toEqual(expect.arrayContaining(["file d/a", "file d/self/b"]));
  });
});
