import { expect, it } from "vitest";
import { parseInitSystem, rememberedInit } from "../src/init-system.ts";

const INIT = { argv: ["/sbin/init"], haltSignal: 30, kind: "other" } as const;
const TEXT = JSON.stringify(INIT);

it("reads what was kept about the init of a run, even with additions of a later release", () => {
  expect(parseInitSystem(TEXT)).toEqual(INIT);
  expect(parseInitSystem(JSON.stringify({ ...INIT, more: 1 }))).toMatchObject(INIT);
});

it("treats a text that is truncated at any byte as that of an unfinished launch", () => {
  for (let length = 0; length < TEXT.length; length += 1)
    expect(parseInitSystem(TEXT.slice(0, length))).toBeUndefined();
  expect(parseInitSystem("\0".repeat(TEXT.length))).toBeUndefined();
  expect(parseInitSystem("{}")).toBeUndefined();
});

it("reads the init from what was remembered of a launch, and nothing from what is not that", () => {
  expect(rememberedInit({ init: INIT, more: 1 })).toEqual(INIT);
  for (const other of [undefined, null, {}, { init: {} }]) expect(rememberedInit(other)).toBeUndefined();
});
