import { describe, expect, it } from "vitest";
import { BytesOrNoneSchema, BytesSchema } from "../../src/model/units.ts";

describe("a size", () => {
  it.each([
    [1, 1],
    [4096, 4096],
    ["512B", 512],
    ["3 kB", 3000],
    ["3MB", 3e6],
    ["3GB", 3e9],
    ["3TB", 3e12],
    ["3KiB", 3072],
    ["256MiB", 268435456],
    [" 1.5GiB ", 1610612736],
    ["2TiB", 2199023255552],
    ["0.3KiB", 307],
    ["100b", 100],
    ["64k", 65536],
    ["512m", 536870912],
    ["512M", 536870912],
    ["1.5 g", 1610612736],
    ["1G", 1073741824],
    ["2T", 2199023255552],
  ])("written as %j is %i bytes", (written, bytes) => {
    expect(BytesSchema.parse(written)).toBe(bytes);
  });

  it.each([
    0,
    -1,
    1.5,
    2 ** 53,
    "0B",
    "1",
    "MiB",
    "1mib",
    "1mb",
    "1kb",
    "1p",
    "1bk",
    "1constructor",
    "1iB",
    "kB 1",
    "1 MiB more",
    "-1MB",
    ".5MB",
    "1.MB",
    "9e9TB",
    "9000TiB.",
  ])("is not %j", (written) => {
    expect(BytesSchema.safeParse(written).error?.issues[0]?.message).toContain("is not a size");
  });

  it("may be 0 in a schema that allows it", () => {
    expect(BytesOrNoneSchema.parse("0b")).toBe(0);
    expect(BytesOrNoneSchema.parse(0)).toBe(0);
    expect(BytesOrNoneSchema.safeParse(-1).success).toBe(false);
  });
});
