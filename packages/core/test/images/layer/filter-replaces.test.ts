import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { filtered, finalLines } from "../support/filtered.ts";
import { file, folder, hardLink, paxBytes, type RawEntry, symlink } from "../support/tar-bytes.ts";

let lower: string;
beforeAll(() => {
  lower = mkdtempSync(join(tmpdir(), "pileus-images-replaces-"));
  mkdirSync(join(lower, "a/sub"), { recursive: true });
  mkdirSync(join(lower, "b"));
  for (const path of ["a/x", "a/sub/y", "b/x", "plain"]) writeFileSync(join(lower, path), "");
  symlinkSync("a", join(lower, "to-a"));
});
afterAll(() => rmSync(lower, { recursive: true, force: true }));

type Case = readonly [what: string, entries: readonly (RawEntry | Buffer)[], expected: readonly string[]];

const DEVICE = { name: "d", flag: "3" };

describe("LayerFilter accepts what Docker, containerd and umoci accept:", () => {
  it.each<Case>([
    [
      "an absolute name, in the image's root",
      [file("/var/run/f")],
      ["directory var", "directory var/run", "file var/run/f"],
    ],
    ["an absolute name by pax", [paxBytes({ path: "//etc//f" }), file("x")], ["directory etc", "file etc/f"]],
    [
      "an entry beneath a symlink of its own, where that leads within the root",
      [folder("real/"), symlink("l", "/../real"), file("l/f"), folder("l/d/"), symlink("l/s", "x")],
      ["directory real", "directory real/d", "file real/f", "symlink l -> /../real", "symlink real/s -> x"],
    ],
    [
      "an entry beneath a symlink that leads nowhere, for which the folder is made",
      [symlink("l", "/etc"), file("l/passwd")],
      ["directory etc", "file etc/passwd", "symlink l -> /etc"],
    ],
    [
      "an entry beneath an absolute symlink in a folder, which leads from the image's root",
      [folder("d/"), symlink("d/l", "/etc"), file("d/l/passwd")],
      ["directory d", "directory etc", "file etc/passwd", "symlink d/l -> /etc"],
    ],
    [
      "a chain of symlinks",
      [symlink("a", "b"), symlink("b", "c"), file("a/f")],
      ["directory c", "file c/f", "symlink a -> b", "symlink b -> c"],
    ],
    ["a folder that becomes a symlink", [folder("d/"), file("d/f"), symlink("d", "e")], ["symlink d -> e"]],
    ["a folder that becomes a file", [folder("d/"), folder("d/e/"), file("d/e/f"), file("d")], ["file d"]],
    ["a folder made on the way that becomes a symlink", [file("d/f"), symlink("d", "/etc")], ["symlink d -> /etc"]],
    ["a symlink that becomes a folder", [symlink("d", "/etc"), folder("d/"), file("d/f")], ["directory d", "file d/f"]],
    ["a file that becomes a folder", [file("d"), folder("d/"), file("d/f")], ["directory d", "file d/f"]],
    ["a file that becomes a device, which is left out", [file("d"), DEVICE], []],
    ["a folder that becomes a device, which is left out", [folder("d/"), file("d/f"), DEVICE], []],
    [
      "what becomes something else again and again",
      [
        folder("d/"),
        file("d/old"),
        symlink("d", "e"),
        folder("d/"),
        file("d/f"),
        file("d"),
        folder("d/"),
        file("d/new"),
      ],
      ["directory d", "file d/new"],
    ],
    [
      "a folder in a folder that both become something else",
      [folder("a/"), folder("a/b/"), file("a/b"), file("a"), folder("a/"), file("a/b"), folder("a/b/"), file("a/b/c")],
      ["directory a", "directory a/b", "file a/b/c"],
    ],
    [
      "a file whose other name is a folder now",
      [file("f"), hardLink("h", "f"), folder("f/")],
      ["directory f", "link h -> f"],
    ],
    [
      "a hard link to a symlink that is a folder now",
      [symlink("s", "x"), hardLink("h", "s"), folder("s/")],
      ["directory s", "symlink h -> x"],
    ],
    [
      "a hard link through a symlink of its own",
      [folder("r/"), file("r/f"), symlink("l", "r"), hardLink("h", "l/f")],
      ["directory r", "file r/f", "link h -> r/f", "symlink l -> r"],
    ],
    [
      "a whiteout beneath a symlink of its own, which hides nothing",
      [symlink("l", "x"), file("l/.wh.f", ""), file("l/.wh..wh..opq", "")],
      ["symlink l -> x"],
    ],
    ["a whiteout beneath a file of its own, which hides nothing", [file("f"), file("f/.wh.g", "")], ["file f"]],
  ])("%s", (_what, entries, expected) => {
    expect(finalLines(filtered(entries))).toEqual(expected);
  });

  it.each<Case>([
    [
      "a folder beneath that became a symlink, and then its whiteouts",
      [symlink("a", "b"), file("a/.wh.x", ""), file("a/.wh..wh..opq", "")],
      ["symlink a -> b"],
    ],
    ["whiteouts of a folder that then became a symlink", [file("a/.wh.x", ""), symlink("a", "b")], ["symlink a -> b"]],
    [
      "a folder beneath that became a file, and then its whiteouts",
      [file("a"), file("a/.wh.x", ""), file("a/sub/.wh.y", "")],
      ["file a"],
    ],
    [
      "whiteouts of a folder that then became a file",
      [file("a/.wh.x", ""), file("a/sub/.wh.y", ""), file("a")],
      ["file a"],
    ],
    ["a whiteout beneath a file of a lower layer", [file("plain/.wh.x", "")], []],
    [
      "a whiteout in a folder that the layer does not list",
      [file("a/sub/.wh.y", "")],
      ["character a/sub/y", "directory a", "directory a/sub"],
    ],
    ["a whiteout through a symlink of a lower layer", [file("to-a/.wh.x", "")], ["character a/x", "directory a"]],
    [
      "a folder that was a file of the layer, over one beneath",
      [file("a"), folder("a/"), file("a/.wh.x", "")],
      ["character a/x", "directory a"],
    ],
    [
      "a device where the layer had a folder, over one beneath",
      [folder("a/"), file("a/new"), { name: "a", flag: "3" }],
      ["character a"],
    ],
    ["a hard link to a symlink of a lower layer", [hardLink("copy", "to-a")], ["lower-link copy"]],
    [
      "a hard link to a lower layer that becomes a folder",
      [hardLink("copy", "plain"), folder("copy/")],
      ["directory copy"],
    ],
    [
      "a folder that becomes a hard link to a lower layer",
      [folder("copy/"), hardLink("copy", "plain")],
      ["lower-link copy"],
    ],
  ])("over lower layers, %s", (_what, entries, expected) => {
    expect(finalLines(filtered(entries, { lower }))).toEqual(expected);
  });

  it("marks the folders that are opaque at the end", () => {
    const result = filtered([file("a"), folder("a/"), file("a/.wh..wh..opq", ""), file("a/f")], { lower });
    expect(result.findings.opaque).toEqual(["a"]);
    expect(finalLines(result)).toEqual(["directory a", "file a/f"]);
  });
});
