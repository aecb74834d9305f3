import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";

const read = (path: string): Promise<string> => readFile(new URL(`../../${path}`, import.meta.url), "utf8");

it("shows in docs/writing-a-driver.md the code of the chroot driver, letter for letter", async () => {
  const [, chapter = ""] = /\n## In an afternoon\n([\s\S]*?)\n## /.exec(await read("docs/writing-a-driver.md")) ?? [];
  const shown = [...chapter.matchAll(/```ts excerpt\n([\s\S]*?)```/g)].map(([, code]) => code);
  expect(shown[0]).toMatch(/^export function chroot\(\)/m);
  const code = await read("examples/chroot-driver/chroot.ts");
  for (const each of shown) expect(code).toContain(each);
});
