import { describe, expect, it } from "vitest";
import { LayerBudget } from "../../../src/images/layer/budget.ts";
import type { TarEntry } from "../../../src/tar/entry.ts";

const plain: TarEntry = {
  type: "file",
  name: "f",
  target: "",
  mode: 0o644,
  uid: 0,
  gid: 0,
  mtime: "0",
  size: 0,
  xattrs: new Map(),
};
const budget = (limits: { bytes?: number; entries?: number; memory?: number } = {}) =>
  new LayerBudget("img", { bytes: 1e9, entries: 1e6, memory: 1e9, ...limits });

describe("LayerBudget", () => {
  it("accepts as many entries as its limit, and counts unlisted folders", () => {
    const counted = budget({ entries: 3 });
    counted.entry(plain);
    counted.folder("f");
    counted.entry(plain);
    expect(counted.entries).toBe(3);
    expect(() => counted.folder("last")).toThrow(/"last" goes beyond 3 entries/);
    expect(() => counted.entry(plain)).toThrow(/beyond 3 entries/);
  });

  it("accepts as many bytes as its limit in all files together", () => {
    const counted = budget({ bytes: 10 });
    counted.entry({ ...plain, size: 4 });
    counted.entry({ ...plain, size: 6 });
    expect(() => counted.entry({ ...plain, size: 1 })).toThrow(/"f" goes beyond 10 bytes/);
  });

  it("accepts a link's target of the greatest length of Linux", () => {
    budget().entry({ ...plain, target: "t".repeat(4095) });
    expect(() => budget().entry({ ...plain, target: "t".repeat(4096) })).toThrow(/4095 bytes of a link's target/);
  });

  it("accepts names and values of attributes of the greatest length of Linux", () => {
    budget().entry({ ...plain, xattrs: new Map([["n".repeat(65_536), "v".repeat(65_536)]]) });
    for (const xattrs of [
      new Map([["n", "v".repeat(65_537)]]),
      new Map([["n".repeat(65_537), "v"]]),
      new Map([
        ["a", "v".repeat(65_536)],
        ["b", "v"],
      ]),
    ])
      expect(() => budget().entry({ ...plain, xattrs })).toThrow(/65536 bytes of attributes/);
  });

  it("accepts 256 nested folders, and a path of 3072 bytes", () => {
    budget().path("f", 256, 3072);
    expect(() => budget().path("f", 257, 1)).toThrow(/"f" goes beyond 256 folders in one another/);
    expect(() => budget().path("f", 1, 3073)).toThrow(/"f" goes beyond 3072 bytes of a path/);
  });

  it("accepts 16 MiB of symlinks that names go through", () => {
    const followed = budget();
    for (let count = 0; count < 4096; count += 1) followed.follow("f", "t".repeat(4096));
    expect(() => followed.follow("f", "t")).toThrow(/"f" goes beyond 16777216 bytes of symlinks/);
  });

  it("keeps paths and entries up to its limit of memory, overhead included", () => {
    // 100 a path and an attribute, 150 an entry.
    const entry = { ...plain, target: "12345", xattrs: new Map([["name", "value"]]) };
    const memory = 100 + 3 + (100 + 3 + 150 + 5 + 100 + 4 + 5);
    const held = budget({ memory });
    held.hold("f", "a/b");
    held.hold("f", "a/b", entry);
    expect(() => held.hold("f", "")).toThrow(/"f" goes beyond 470 bytes of names, link targets and attributes/);
    const short = budget({ memory: memory - 1 });
    short.hold("f", "a/b");
    expect(() => short.hold("f", "a/b", entry)).toThrow(/names, link targets and attributes/);
  });
});
