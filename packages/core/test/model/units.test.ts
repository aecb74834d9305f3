import { describe, expect, it } from "vitest";
import { BytesSchema } from "../../src/model/units.ts";

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
    "1iB",
    "kB 1",
    "1 MiB more",
    "-1MB",
    ".5MB",
    "1.MB",
    "9e9TB",
    "9000TiB.",
  ])("is not %j", (written) => {
    expect(BytesSchema.safeParse(written).error?.issues[0]?.message).toContain("is no size");
  });
});
