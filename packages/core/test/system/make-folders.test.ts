import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeFolders } from "../../src/system/make-folders.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pileus-folders-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("makeFolders", () => {
  it("creates what is missing, all with the mode, and accepts what is there", () => {
    const path = join(folder, "a/b/c");
    makeFolders(path, 0o700);
    makeFolders(path, 0o755);
    for (const one of ["a", "a/b", "a/b/c"]) expect(statSync(join(folder, one)).mode & 0o777).toBe(0o700);
  });
  it("throws what the system refuses", () => {
    writeFileSync(join(folder, "file"), "");
    const code = (path: string) => {
      try {
        makeFolders(path);
      } catch (error) {
        return (error as NodeJS.ErrnoException).code;
      }
      return undefined;
    };
    expect(code(join(folder, "file"))).toBe("EEXIST");
    expect(code(join(folder, "file/a/b"))).toBe("ENOTDIR");
    expect(code("/proc/no-such/a/b")).toBe("ENOENT");
    expect(code(join(folder, "x".repeat(300)))).toBe("ENAMETOOLONG");
  });
});
