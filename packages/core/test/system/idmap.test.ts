import { describe, expect, it } from "vitest";
import {
  firstBeyond,
  idInside,
  idOutside,
  idsInside,
  isInside,
  isMapped,
  mapLines,
  ownerOutside,
} from "../../src/system/idmap.ts";
import type { Idmap } from "../../src/terms/idmap.ts";

const PLAIN: Idmap = { base: 100_000, count: 65_536 };
const EXTRA: Idmap = {
  ...PLAIN,
  extra: [
    { inside: 1000, outside: 1000, count: 1, of: "both" },
    { inside: 50, outside: 500, count: 11, of: "uid" },
    { inside: 70_000, outside: 2000, count: 2, of: "gid" },
  ],
};

it("knows the ids of the host that a map contains, as they are inside", () => {
  expect([99_999, 100_000, 165_535, 165_536].map((id) => isMapped(PLAIN, "uid", id))).toEqual([
    false,
    true,
    true,
    false,
  ]);
  expect([99_999, 100_000, 165_535, 165_536].map((id) => idInside(PLAIN, "gid", id))).toEqual([
    65_534, 0, 65_535, 65_534,
  ]);
  expect([isMapped(undefined, "uid", 7), idInside(undefined, "uid", 7)]).toEqual([true, 7]);
});

describe("mapLines", () => {
  it("is one line for a range", () => {
    expect(mapLines(PLAIN, "uid")).toEqual([{ inside: 0, outside: 100_000, count: 65_536 }]);
  });
  it("leaves holes in the range for extra lines, each for users, for groups or for both", () => {
    const text = (of: "uid" | "gid") => mapLines(EXTRA, of).map((line) => Object.values(line).join(" "));
    expect(text("uid")).toEqual(["0 100000 50", "50 500 11", "61 100061 939", "1000 1000 1", "1001 101001 64535"]);
    expect(text("gid")).toEqual(["0 100000 1000", "1000 1000 1", "1001 101001 64535", "70000 2000 2"]);
    expect(firstBeyond(EXTRA)).toBe(70_002);
  });
  it("leaves nothing of a range that extra lines cover, and no empty line", () => {
    const extra = [{ inside: 1, outside: 1, count: 65_535, of: "both" }] as const;
    expect(mapLines({ ...PLAIN, extra }, "uid")).toEqual([
      { inside: 0, outside: 100_000, count: 1 },
      { inside: 1, outside: 1, count: 65_535 },
    ]);
  });
});

describe("the ids of a map with extra lines", () => {
  it("translate in both directions, and the holes of the range are not mapped", () => {
    for (const [of, inside, outside] of [
      ["uid", 0, 100_000],
      ["uid", 50, 500],
      ["uid", 60, 510],
      ["gid", 50, 100_050],
      ["uid", 1000, 1000],
      ["gid", 1000, 1000],
      ["uid", 1001, 101_001],
      ["gid", 70_001, 2001],
    ] as const) {
      expect(idOutside(EXTRA, of, inside), `${of} ${inside}`).toBe(outside);
      expect(idInside(EXTRA, of, outside), `${of} ${outside}`).toBe(inside);
    }
    expect(isMapped(EXTRA, "uid", 101_000)).toBe(false);
    expect(idInside(EXTRA, "uid", 100_050)).toBe(65_534);
    expect(ownerOutside(EXTRA, { uid: 50, gid: 50 })).toEqual({ uid: 500, gid: 100_050 });
  });
  it("are known in words", () => {
    expect([idsInside(PLAIN, "uid"), idsInside(EXTRA, "uid")]).toEqual(["0 to 65535", "0 to 65535"]);
    expect(idsInside(EXTRA, "gid")).toBe("0 to 65535, 70000 to 70001");
    expect([65_536, 70_000, 70_002, 0.5].map((id) => isInside(EXTRA, "gid", id))).toEqual([false, true, false, false]);
  });
});

describe("idOutside", () => {
  it("shifts an id of the map", () => {
    expect(idOutside(PLAIN, "uid", 65_535)).toBe(165_535);
    expect(idOutside(undefined, "uid", 1000)).toBe(1000);
  });
  it("refuses ids outside of the map, at either end", () => {
    for (const id of [-100_000, -1, 65_536, 0.5, Number.NaN])
      expect(() => idOutside(PLAIN, "uid", id)).toThrow(expect.objectContaining({ code: "EINVAL" }));
    expect(() => idOutside(undefined, "uid", -1)).toThrow(expect.objectContaining({ code: "EINVAL" }));
  });
});
