import { fstatSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openCell } from "../../src/system/cell.ts";
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
