import { existsSync, fstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openCell } from "../../src/system/cell.ts";
import { spawn } from "../../src/system/spawn.ts";
import { requires } from "../../src/testing/requires.ts";

it("holds its descriptors until it is disposed", (context) =>
  requires(["root", "binary:nsenter"], async () => {
    const folder = mkdtempSync(join(tmpdir(), "pileus-cell-"));
    try {
      const cell = openCell(folder, "tar");
      const descriptors = cell?.descriptors ?? [];
      expect(descriptors).toHaveLength(2);
      for (const descriptor of descriptors) expect(fstatSync(descriptor).isDirectory()).toBe(true);
      cell?.[Symbol.dispose]();
      for (const descriptor of descriptors) expect(() => fstatSync(descriptor)).toThrow("EBADF");
    } finally {
      rmSync(folder, { recursive: true });
    }
  })(context));

it("confines a tool that runs to its end", (context) =>
  requires(["root", "binary:nsenter"], async () => {
    const folder = mkdtempSync(join(tmpdir(), "pileus-cell-"));
    const outside = `${folder}-outside`;
    try {
      const script = `echo well >good; echo dead >${outside}; echo dead >../${outside}; ulimit -t`;
      const options = { confinedTo: folder, bounds: { cpu: 7 }, diesWithUs: true };
      expect((await spawn(["sh", "-c", script], options)).stdout).toBe("7\n");
      expect(readFileSync(join(folder, "good"), "utf8")).toBe("well\n");
      expect(existsSync(outside)).toBe(false);
    } finally {
      rmSync(folder, { recursive: true });
      rmSync(outside, { force: true });
    }
  })(context));

it("lets a tool that only reads write nowhere", (context) =>
  requires(["root", "binary:nsenter"], async () => {
    const folder = mkdtempSync(join(tmpdir(), "pileus-cell-"));
    try {
      writeFileSync(join(folder, "image"), "well");
      const options = { confinedTo: folder, readOnly: true };
      expect(
        (await spawn(["sh", "-c", "cat image; echo dead >image || touch made"], { ...options, allow: [1] })).stdout,
      ).toBe("well");
      expect([readdirSync(folder), readFileSync(join(folder, "image"), "utf8")]).toEqual([["image"], "well"]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  })(context));
