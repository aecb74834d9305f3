import { describe, expect, it } from "vitest";
import { folderEntry } from "../../../src/images/layer/lower-layers.ts";
import {
  below,
  childOf,
  deepestFirst,
  type FolderNode,
  type LayerNode,
  setChild,
} from "../../../src/images/layer/nodes.ts";

const folder = (place: string): FolderNode => ({ kind: "directory", place, entry: folderEntry(place, undefined) });
const file = (place: string): LayerNode => ({ kind: "file", place, out: true });

describe("a tree of nodes", () => {
  it("finds a child by its name, and none in a missing or empty folder", () => {
    const root = folder("");
    expect(childOf(root, "a")).toBeUndefined();
    expect(childOf(undefined, "a")).toBeUndefined();
    const [one, two] = [file("a"), file("b")];
    setChild(root, "a", one);
    setChild(root, "b", two);
    expect([childOf(root, "a"), childOf(root, "b"), childOf(root, "c")]).toEqual([one, two, undefined]);
  });

  it("is walked with each folder after its content, without the root", () => {
    const [root, a, b, c] = [folder(""), folder("a"), folder("a/b"), folder("c")];
    setChild(root, "a", a);
    setChild(a, "b", b);
    setChild(b, "f", file("a/b/f"));
    setChild(a, "g", file("a/g"));
    setChild(root, "c", c);
    setChild(root, "h", file("h"));
    expect([...deepestFirst(root)].map(({ parent, name, node }) => [parent.place, name, node.place])).toEqual([
      ["a/b", "f", "a/b/f"],
      ["a", "b", "a/b"],
      ["a", "g", "a/g"],
      ["", "a", "a"],
      ["", "c", "c"],
      ["", "h", "h"],
    ]);
    expect([...deepestFirst(folder(""))]).toEqual([]);
  });
});

it("joins a path to that of a folder and to that of the root", () => {
  expect([below("", "a"), below("a", "b")]).toEqual(["a", "a/b"]);
});
