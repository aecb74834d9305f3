import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { DOCUMENTS } from "../../../scripts/generate-docs.ts";
import { ERROR_CODES } from "../src/errors/all.ts";

describe("generated documents", () => {
  it.each(Object.entries(DOCUMENTS))("%s is what the code says: run `pnpm docs:generate`", async (path, render) => {
    expect(await readFile(new URL(`../../../${path}`, import.meta.url), "utf8")).toBe(await render());
  });

  it("name a class for every error code", async () => {
    const page = await DOCUMENTS["docs/errors.md"]?.();
    for (const code of Object.keys(ERROR_CODES)) expect(page).toMatch(new RegExp(`\`${code}\` \\| \`\\w+Error\``));
  });
});
