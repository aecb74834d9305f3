import { readdir, readFile } from "node:fs/promises";
import { expect, it } from "vitest";

const read = (path: string): Promise<string> => readFile(new URL(`../../${path}`, import.meta.url), "utf8");
const list = (path: string): Promise<string[]> => readdir(new URL(`../../${path}`, import.meta.url));

/** The program of a page, by the page's name, where they differ. */
const PROGRAMS: Readonly<Record<string, string>> = { "service-for-tests": "redis.test" };

const pages = (await list("docs/guides")).filter((page) => page !== "README.md").map((page) => page.slice(0, -3));

it.each(pages)("shows in the guide %s the program that the tests run, letter for letter", async (page) => {
  const programs = [...(await read(`docs/guides/${page}.md`)).matchAll(/^```ts\n([\s\S]*?)^```$/gm)];
  expect(programs.map(([, program]) => program)).toEqual([await read(`examples/guides/${PROGRAMS[page] ?? page}.ts`)]);
});

it("has a page for each program of a guide, and an index of all pages", async () => {
  const programs = (await list("examples/guides")).map((file) => file.slice(0, -3));
  expect(pages.map((page) => PROGRAMS[page] ?? page).sort()).toEqual(programs.sort());
  const linked = [...(await read("docs/guides/README.md")).matchAll(/\]\(([\w-]+)\.md\)/g)].map(([, page]) => page);
  expect(linked.toSorted()).toEqual(pages.toSorted());
});
