import { expect, it } from "vitest";
import { parseInitSystem } from "../src/init-system.ts";

const INIT = { argv: ["/sbin/init"], haltSignal: 30, kind: "other" } as const;
const TEXT = JSON.stringify(INIT);

it("reads what was kept of a run's init, a later release's additions too", () => {
  expect(parseInitSystem(TEXT)).toEqual(INIT);
  expect(parseInitSystem(JSON.stringify({ ...INIT, more: 1 }))).toMatchObject(INIT);
});

it("takes what was cut short, at whatever byte, for a launch that did not get so far", () => {
  for (let length = 0; length < TEXT.length; length += 1)
    expect(parseInitSystem(TEXT.slice(0, length))).toBeUndefined();
  expect(parseInitSystem("\0".repeat(TEXT.length))).toBeUndefined();
  expect(parseInitSystem("{}")).toBeUndefined();
});
