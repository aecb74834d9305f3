import { expect, it } from "vitest";
import { mtimeNanoseconds, mtimeText } from "../../src/tar/time.ts";

it.each([
  [0n, "0"],
  [1n, "0.000000001"],
  [1_500_000_000n, "1.5"],
  [1_600_000_000_000_000_000n, "1600000000"],
  [1_600_000_000_123_456_789n, "1600000000.123456789"],
  [-1n, "-0.000000001"],
  [-1_500_000_000n, "-1.5"],
  [10_000_000_010n, "10.00000001"],
])("writes %d nanoseconds as %s seconds, and reads them", (nanoseconds, text) => {
  expect(mtimeText(nanoseconds)).toBe(text);
  expect(mtimeNanoseconds(text)).toBe(nanoseconds);
});

it("cuts what is beyond nanoseconds", () => {
  expect(mtimeNanoseconds("1.0000000019")).toBe(1_000_000_001n);
});

it("takes a text that is no time for the epoch", () => {
  for (const text of ["", "x1", "1x", "1.", "."]) expect(mtimeNanoseconds(text)).toBe(0n);
});
