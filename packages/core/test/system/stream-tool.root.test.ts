import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { whyNoCell } from "../../src/system/cell.ts";
import { startTool } from "../../src/system/stream-tool.ts";
import { requires } from "../../src/testing/requires.ts";
import { Scratch } from "../images/support/scratch.ts";

it("lets a confined tool write in its folder only, by whatever path", (context) =>
  requires(["root", "binary:nsenter"], async () => {
    expect(whyNoCell("sh")).toBeUndefined();
    await using scratch = await Scratch.make();
    const canary = scratch.path("outside/canary");
    const climbing = `${"../".repeat(9)}${canary.slice(1)}`;
    const script =
      'ln -s "$1" link; for to in "$1" "$2" ../outside/canary link; do echo dead >"$to"; done; echo well >good';
    const options = { fromPackage: "dash", confinedTo: scratch.folder, signal: new AbortController().signal };
    await startTool(["mkdir", "in"], options).succeeded();
    const confined = { ...options, confinedTo: scratch.path("in") };
    await startTool(["sh", "-c", script, "sh", canary, climbing], confined).gone();
    expect(await scratch.outside()).toBe("canaryalive");
    expect(await readFile(scratch.path("in/good"), "utf8")).toBe("well\n");
  })(context));
