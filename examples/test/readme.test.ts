import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";

const read = (path: string): Promise<string> => readFile(new URL(`../../${path}`, import.meta.url), "utf8");

it("shows the first example in the README, letter for letter, in at most 15 lines", async () => {
  const example = (await read("examples/01-run-anywhere.ts")).trim();
  const [, shown] = /```ts\n([\s\S]*?)```/.exec(await read("README.md")) ?? [];
  expect(shown?.trim()).toBe(example);
  expect(example.split("\n").length).toBeLessThanOrEqual(15);
});
