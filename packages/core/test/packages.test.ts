import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const checkout = fileURLToPath(new URL("../../../", import.meta.url));
const REPOSITORY = "https://github.com/pileus/pileus";
const LINK = /\]\(([^)\s]+)\)/g;

describe.each(readdirSync(join(checkout, "packages")))("what npm shows of @pileus/%s", (name) => {
  const folder = join(checkout, "packages", name);
  const read = (file: string) => readFileSync(join(folder, file), "utf8");
  const links = [...read("README.md").matchAll(LINK)].map(([, link = ""]) => link);

  it("has a README whose links lead on from node_modules: each is absolute, or an anchor", () => {
    expect(links.filter((link) => !/^(https:\/\/|#)/.test(link))).toEqual([]);
  });

  it("has a README whose links into the repository find a file there", () => {
    const paths = links
      .filter((link) => link.startsWith(`${REPOSITORY}/`))
      .map((link) => link.replace(/^.*?\/(?:blob|tree)\/main\//, "").replace(/#.*/, ""));
    expect(paths.length).toBeGreaterThan(0);
    expect(paths.filter((path) => !existsSync(join(checkout, path)))).toEqual([]);
  });

  it("says where it runs, where it is developed, and ships its history", () => {
    const { keywords, homepage, bugs, os, cpu, files } = JSON.parse(read("package.json"));
    expect(keywords.length).toBeGreaterThan(3);
    expect(homepage).toBe(`${REPOSITORY}/tree/main/packages/${name}#readme`);
    expect(bugs).toEqual({ url: `${REPOSITORY}/issues` });
    expect(os).toEqual(["linux"]);
    expect(cpu).toContain("x64");
    expect(files).toContain("CHANGELOG.md");
    expect(read("CHANGELOG.md")).toMatch(`# @pileus/${name}\n`);
  });
});
