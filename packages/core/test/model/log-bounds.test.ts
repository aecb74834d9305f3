import { expect, it } from "vitest";
import { CommonConfigSchema } from "../../src/model/config.ts";
import { LogBoundsSchema } from "../../src/model/log-bounds.ts";

it("reads the bounds of a log, each with its unit, and has no default of its own", () => {
  expect(LogBoundsSchema.parse({ maxSize: "10m", maxFiles: 3 })).toEqual({ maxSize: 10 * 2 ** 20, maxFiles: 3 });
  expect(LogBoundsSchema.parse({})).toEqual({});
  expect(CommonConfigSchema.parse({ name: "a", driver: "b", image: "c" })).not.toHaveProperty("log");
});

it.each([
  { maxSize: 1000 },
  { maxSize: "63KiB" },
  { maxFiles: 0 },
  { maxFiles: 101 },
  { maxFiles: 1.5 },
  { size: 65536 },
])("refuses %o", (bounds) => expect(LogBoundsSchema.safeParse(bounds).success).toBe(false));
