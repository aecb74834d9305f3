import { expect, it } from "vitest";
import { missingLiblxc } from "../src/probe.ts";

it.each([
  ["4.0.6", ["liblxc:5"]],
  ["5.0.2", []],
  ["6.0.0-devel", []],
  ["10.0.1", []],
  [undefined, []],
])("with liblxc %s lacks %j", (version, needs) => {
  expect(missingLiblxc(version).map(({ need }) => need)).toEqual(needs);
});
