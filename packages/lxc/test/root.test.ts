import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { removeRoot } from "../src/root.ts";
import { FULL_SPEC } from "./support/spec.ts";

/** Nested folders, each made from within its parent: their path has 10,000 bytes. */
const DEEP = `
  for (let i = 0; i < 2500; i += 1) {
    require("node:fs").mkdirSync("abc");
    process.chdir("abc");
  }
`;

it("removes a root whose folders are nested deeper than the longest path", async () => {
  const folder = await mkdtemp(join(tmpdir(), "pileus-root-"));
  try {
    const root = { layers: [], folder: join(folder, "root") };
    await mkdir(root.folder);
    execFileSync(process.execPath, ["-e", DEEP], { cwd: root.folder });
    await removeRoot({ ...FULL_SPEC, name: "deep", root });
    expect(existsSync(root.folder)).toBe(false);
  } finally {
    execFileSync("rm", ["-rf", folder]);
    await rm(folder, { recursive: true, force: true });
  }
});
