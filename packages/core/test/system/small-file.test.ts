import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { readSmallFile, readSmallJson, UnreadableFileError } from "../../src/system/small-file.ts";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pileus-small-file-"));
  path = join(folder, "file.json");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("a small file", () => {
  it("is read whole, or is undefined if it does not exist", () => {
    expect(readSmallFile(path)).toBeUndefined();
    writeFileSync(path, '{"a":"é"}');
    expect(readSmallFile(path)).toBe('{"a":"é"}');
  });

  it.each([
    ["a folder", () => mkdirSync(path), "it is not a regular file"],
    ["a fifo without a writer", () => execFileSync("mkfifo", [path]), "it is not a regular file"],
    ["a symlink, even to a file", () => symlinkSync("/etc/hostname", path), "ELOOP"],
    ["of 600 MB", () => [writeFileSync(path, ""), truncateSync(path, 600e6)], "600000000 bytes"],
  ])("that is %s cannot be read", (_, make, reason) => {
    make();
    expect(() => readSmallFile(path)).toThrow(UnreadableFileError);
    expect(() => readSmallFile(path)).toThrow(reason);
  });

  it("with JSON is what its schema says, or damaged", () => {
    const read = () => readSmallJson(path, z.strictObject({ a: z.number() }), (_, text) => `damaged: ${text}`);
    expect(read()).toBeUndefined();
    writeFileSync(path, '{"a":1}');
    expect(read()).toEqual({ a: 1 });
    for (const text of ['{"a":', '{"a":"1"}', "[".repeat(50_000)]) {
      writeFileSync(path, text);
      expect(read()).toBe(`damaged: ${text}`);
    }
  });
});
