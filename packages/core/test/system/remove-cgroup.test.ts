import { expect, it } from "vitest";
import { parsePids } from "../../src/system/remove-cgroup.ts";

it("finds the processes of a cgroup, and skips a line that stands for an invisible process", () => {
  expect(parsePids("12\n0\n4194304\n")).toEqual([12, 4194304]);
  expect(parsePids("")).toEqual([]);
});
