import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";

const read = (path: string): Promise<string> => readFile(new URL(`../../${path}`, import.meta.url), "utf8");

it("shows in docs/writing-a-driver.md what the chroot driver says of itself, letter for letter", async () => {
  const [shown] = /const Section = [\s\S]*?(?=\n```)/.exec(await read("docs/writing-a-driver.md")) ?? [];
  expect(shown).toMatch(/^export function chroot\(\)/m);
  expect(await read("examples/chroot-driver/chroot.ts")).toContain(shown);
});
