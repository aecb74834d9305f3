import { expect, it } from "vitest";
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
