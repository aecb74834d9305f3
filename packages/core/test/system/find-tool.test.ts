import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { findTool, missingTool, missingTools } from "../../src/system/find-tool.ts";

it("finds a tool on the PATH of tools, and reports a missing one", () => {
  expect(findTool("sh")).toMatch(/^\/.*\/sh$/);
  expect(findTool("pileus-no-such-tool")).toBeUndefined();
});

it("lists the missing ones among some tools, each with the package to install", () => {
  expect(missingTools({ sh: "dash", "pileus-no-such-tool": "some-package" })).toEqual([
    { need: "binary:pileus-no-such-tool", reason: "not on PATH", fix: "apt-get install some-package" },
  ]);
});

it("says so when the package is not known", () => {
  expect(missingTool("thing", undefined).fix).toBe("install the package that has thing");
});

it("names the file of a tool that is there, but cannot be executed", async () => {
  const folder = await mkdtemp(join(tmpdir(), "pileus-tools-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, "thing");
  await writeFile(file, "#!/bin/sh", { mode: 0o644 });
  expect(findTool("thing", folder)).toBeUndefined();
  expect(missingTool("thing", "things", folder)).toEqual({
    need: "binary:thing",
    reason: `${file} cannot be executed`,
    fix: `chmod a+x ${file}, on a file system without noexec`,
  });
  await chmod(file, 0o755);
  expect(findTool("thing", folder)).toBe(file);
});
