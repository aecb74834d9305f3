import { expect, it } from "vitest";
import { mtimeMilliseconds, mtimeNanoseconds, mtimeText } from "../../src/tar/time.ts";

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

it("truncates to nanoseconds", () => {
  expect(mtimeNanoseconds("1.0000000019")).toBe(1_000_000_001n);
});

it("reads a text that is not a time as the epoch", () => {
  for (const text of ["", "x1", "1x", "1.", "."]) expect(mtimeNanoseconds(text)).toBe(0n);
});

it("keeps whole milliseconds, which a division of all nanoseconds would not", () => {
  const whole = Array.from({ length: 100 }, (_, index) => 1_795_898_000_000n + BigInt(index));
  for (const ms of whole) expect(mtimeMilliseconds(ms * 1_000_000n)).toBe(Number(ms));
  expect(mtimeMilliseconds(1_500_000n)).toBe(1.5);
  expect(mtimeMilliseconds(-1_500_000n)).toBe(-1.5);
});
