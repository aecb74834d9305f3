import { describe, expect, it } from "vitest";
import { idInside, idOutside, isMapped } from "../../src/system/idmap.ts";

it("knows the ids of the host that a map contains, as they are inside", () => {
  const idmap = { base: 100_000, count: 65_536 };
  expect([99_999, 100_000, 165_535, 165_536].map((id) => isMapped(idmap, id))).toEqual([false, true, true, false]);
  expect([99_999, 100_000, 165_535, 165_536].map((id) => idInside(idmap, id))).toEqual([65_534, 0, 65_535, 65_534]);
  expect([isMapped(undefined, 7), idInside(undefined, 7)]).toEqual([true, 7]);
});

describe("idOutside", () => {
  it("shifts an id of the map", () => {
    expect(idOutside({ base: 100_000, count: 65_536 }, 65_535)).toBe(165_535);
    expect(idOutside(undefined, 1000)).toBe(1000);
  });
  it("refuses ids outside of the map, at either end", () => {
    for (const id of [-100_000, -1, 65_536, 0.5, Number.NaN]) {
      expect(() => idOutside({ base: 100_000, count: 65_536 }, id)).toThrow(
        expect.objectContaining({ code: "EINVAL" }),
      );
    }
    expect(() => idOutside(undefined, -1)).toThrow(expect.objectContaining({ code: "EINVAL" }));
  });
});
