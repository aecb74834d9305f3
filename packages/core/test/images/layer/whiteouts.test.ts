import { describe, expect, it } from "vitest";
import type { LowerLayers } from "../../../src/images/layer/lower-layers.ts";
import { hiddenBy, isOfAufs, isOpaqueMark, isWhiteout } from "../../../src/images/layer/whiteout-name.ts";
import { Whiteouts } from "../../../src/images/layer/whiteouts.ts";

/** Layers beneath that have these paths. */
const beneath = (...paths: string[]) =>
  ({
    find: (names: readonly string[]) => (paths.includes(names.join("/")) ? { kind: "file" } : undefined),
    rootNames: () => paths.filter((path) => !path.includes("/")),
  }) as unknown as LowerLayers;

describe("Whiteouts", () => {
  it("hide what lower layers have, and nothing else", () => {
    const whiteouts = new Whiteouts(beneath("a", "a/b"));
    expect(whiteouts.hides("a/b")).toBe(false);
    whiteouts.hide("a/b");
    whiteouts.hide("none");
    expect(["a", "a/b", "none"].map((path) => whiteouts.hides(path))).toEqual([false, true, false]);
    expect([...whiteouts.names()]).toEqual(["a/b"]);
  });

  it("hide the whole content of a folder, but not the folder", () => {
    const whiteouts = new Whiteouts(beneath("a", "a/b"));
    expect(whiteouts.isOpaque("a")).toBe(false);
    whiteouts.hideContent("a");
    expect([whiteouts.isOpaque("a"), whiteouts.isOpaque("a/b"), whiteouts.isOpaque("")]).toEqual([true, false, false]);
    expect(whiteouts.hides("a")).toBe(false);
    expect([...whiteouts.contents()]).toEqual(["a"]);
    expect([...whiteouts.names()]).toEqual([]);
  });

  it("hide each name in the root when the root is opaque", () => {
    const whiteouts = new Whiteouts(beneath("a", "a/b", "c"));
    whiteouts.hideContent("");
    expect(whiteouts.isOpaque("")).toBe(true);
    expect([...whiteouts.contents()]).toEqual([]);
    expect([...whiteouts.names()]).toEqual(["a", "c"]);
  });
});

describe("the name of a whiteout", () => {
  it.each([
    [".wh.a", true, false, false, "a"],
    [".wh..wh..opq", true, true, true, ".wh..opq"],
    [".wh..wh.plnk", true, true, false, ".wh.plnk"],
    [".wh..a", true, false, false, ".a"],
    [".wh.", true, false, false, undefined],
    [".wh..", true, false, false, undefined],
    [".wh...", true, false, false, undefined],
    [".wh....", true, false, false, "..."],
  ])("%j", (name, whiteout, aufs, opaque, hidden) => {
    expect([isWhiteout(name), isOfAufs(name), isOpaqueMark(name), hiddenBy(name)]).toEqual([
      whiteout,
      aufs,
      opaque,
      hidden,
    ]);
  });

  it.each(["wh.a", "a.wh.", ".wha", ".wh", ""])("%j is none", (name) => {
    expect([isWhiteout(name), isOfAufs(name), isOpaqueMark(name)]).toEqual([false, false, false]);
  });
});
