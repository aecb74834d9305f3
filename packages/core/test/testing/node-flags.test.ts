import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { nodeFlags } from "../../src/testing/kit/node-flags.ts";

describe("the process that the kit kills", () => {
  const withoutTsx = mkdtempSync(join(tmpdir(), "pileus-node-flags-"));
  afterAll(() => rmSync(withoutTsx, { recursive: true }));

  it("runs a subject in JavaScript directly", () => {
    expect(nodeFlags(join(withoutTsx, "subject.js"), false)).toEqual([]);
  });
  it("runs one in TypeScript with the tsx of its package", () => {
    const flags = nodeFlags(join(import.meta.dirname, "crash-subject.ts"), true);
    expect(flags[0]).toBe("--import");
    expect(flags[1]).toContain("/tsx/");
  });
  it("leaves one in TypeScript to a Node that can run it, if there is no tsx", () => {
    expect(nodeFlags(join(withoutTsx, "subject.mts"), true)).not.toContain("--import");
  });
  it("says what to install when nothing can run it", () => {
    expect(() => nodeFlags(join(withoutTsx, "subject.ts"), false)).toThrow("npm install --save-dev tsx");
  });
});
