import { describe, expect, it } from "vitest";
import { idOutside } from "../../src/system/idmap.ts";

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
