import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { readInterpreter } from "../../src/drive/elf.ts";

it("finds the dynamic linker of our own Node", async () => {
  expect(await readInterpreter(process.execPath)).toMatch(/^\/.*\/ld-/);
});

it("refuses a file that is not ELF", async () => {
  const folder = mkdtempSync(join(tmpdir(), "pileus-elf-"));
  try {
    const path = join(folder, "text");
    writeFileSync(path, "#!/bin/sh\n".repeat(20));
    await expect(readInterpreter(path)).rejects.toThrow(/is not a 64-bit little-endian ELF file/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
