import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { findStaticBusybox } from "../../src/index.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "pileus-busybox-"));
});

afterEach(() => rmSync(folder, { recursive: true }));

/** The header of a 64-bit little-endian ELF file with one program header, of the given type. */
function elf(type: number): Buffer {
  const image = Buffer.alloc(120);
  image.write("\x7fELF\x02\x01", "latin1");
  image.writeBigUInt64LE(64n, 0x20);
  image.writeUInt16LE(56, 0x36);
  image.writeUInt16LE(1, 0x38);
  image.writeUInt32LE(type, 64);
  return image;
}

function file(content: string | Buffer): string {
  const path = join(folder, "busybox");
  writeFileSync(path, content, { mode: 0o755 });
  return path;
}

it("accepts a BusyBox that needs no libraries", async () => {
  const path = file(elf(1));
  expect(await findStaticBusybox(path)).toEqual({ path });
});

it("tells what is wrong with any other BusyBox, and which package has the right one", async () => {
  const [need, fix] = ["binary:busybox", "apt-get install busybox-static"];
  const linked = file(elf(3));
  expect(await findStaticBusybox(linked)).toEqual({ missing: { need, fix, reason: `${linked} is not static` } });
  const script = file("#!/bin/sh\n");
  const reason = `${script} is not a 64-bit little-endian ELF file`;
  expect(await findStaticBusybox(script)).toEqual({ missing: { need, fix, reason } });
});
