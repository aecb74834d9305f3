import { expect, it } from "vitest";
import { ProcessorSetSchema, parseProcessors } from "../../src/model/processor-set.ts";

it.each([
  ["0", [0]],
  ["0-3,6", [0, 1, 2, 3, 6]],
  ["8191", [8191]],
  ["0-1\n", [0, 1]],
])("reads the list of processors %j", (text, processors) => {
  expect([...(parseProcessors(text) ?? [])]).toEqual(processors);
});

it.each(["", "a", "0,", "3-1", "0-", "-1", "8192", "0-8192", "0 1", "all", "1.5", "0-3:1/2"])("refuses %j", (text) => {
  expect(ProcessorSetSchema.safeParse(text).success).toBe(false);
});
