import { readdir, readFile } from "node:fs/promises";
import { expect, it } from "vitest";

const read = (path: string): Promise<string> => readFile(new URL(`../../${path}`, import.meta.url), "utf8");

it("shows the first example in the README, letter for letter, in at most 15 lines", async () => {
  const example = (await read("examples/01-run-anywhere.ts")).trim();
  const [, shown] = /```ts\n([\s\S]*?)```/.exec(await read("README.md")) ?? [];
  expect(shown?.trim()).toBe(example);
  expect(example.split("\n").length).toBeLessThanOrEqual(15);
});

it("lists every page of a design decision in their index", async () => {
  const pages = await readdir(new URL("../../docs/design/", import.meta.url));
  const linked = [...(await read("docs/design/README.md")).matchAll(/\]\((\d{4}-[\w-]+\.md)\)/g)].map(
    ([, page]) => page,
  );
  expect(linked).toEqual(pages.filter((page) => page !== "README.md").sort());
});
