import { expect, it } from "vitest";
import { pingGroups } from "../src/ping-groups.ts";

const RANGE = { base: 1_048_576, count: 65_536 };
const line = (inside: number, outside: number) => ({ inside, outside, count: 1, of: "gid" }) as const;

it.each([
  ["all of the host's, if it is privileged", undefined, "0 2147483647"],
  ["all of a range", RANGE, "0 65535"],
  ["those of an account of the host, which are below the range", { ...RANGE, extra: [line(1000, 1000)] }, "1000 65535"],
  ["those above the range", { ...RANGE, extra: [line(1000, 1_500_000_001)] }, "0 1000"],
  ["those of the range, if the kernel refuses the order", { ...RANGE, extra: [line(70_000, 1000)] }, "0 65535"],
])("are %s", (_, idmap, range) => {
  expect(pingGroups(idmap)).toBe(range);
});
