import { expect, it } from "vitest";
import { type CpioEntry, renderCpio } from "../../src/initramfs/cpio.ts";

const ENTRIES: readonly CpioEntry[] = [
  { name: "dev", type: "directory", mode: 0o755 },
  { name: "dev/console", type: "character-device", mode: 0o600, device: { major: 5, minor: 1 } },
  { name: "init", type: "file", mode: 0o755, data: "#!/bin/sh\n" },
  { name: "bin", type: "symlink", mode: 0o777, data: "usr/bin" },
];

/** Reads an archive as the kernel does (init/initramfs.c). */
function read(bytes: Buffer) {
  const entries: { name: string; mode: string; device: string; data: string }[] = [];
  const aligned = (offset: number) => (offset + 3) & ~3;
  for (let at = 0; ; ) {
    expect(bytes.toString("latin1", at, at + 6)).toBe("070701");
    const field = (index: number) =>
      Number.parseInt(bytes.toString("latin1", at + 6 + index * 8, at + 14 + index * 8), 16);
    const start = aligned(at + 110 + field(11));
    const name = bytes.toString("utf8", at + 110, at + 110 + field(11) - 1);
    if (name === "TRAILER!!!") return entries;
    const data = bytes.toString("utf8", start, start + field(6));
    entries.push({ name, mode: field(1).toString(8), device: `${field(9)}:${field(10)}`, data });
    at = aligned(start + field(6));
  }
}

it("writes entries with their types, modes, devices and targets", () => {
  expect(read(renderCpio(ENTRIES))).toEqual([
    { name: "dev", mode: "40755", device: "0:0", data: "" },
    { name: "dev/console", mode: "20600", device: "5:1", data: "" },
    { name: "init", mode: "100755", device: "0:0", data: "#!/bin/sh\n" },
    { name: "bin", mode: "120777", device: "0:0", data: "usr/bin" },
  ]);
});

it("gives each entry a number of its own, root as owner and one name", () => {
  const archive = renderCpio([{ name: "f", type: "file", mode: 0o644, data: "abcde" }]);
  const fields = ["1", "81a4", "0", "0", "1", "0", "5", "0", "0", "0", "0", "2", "0"];
  const header = `070701${fields.map((field) => field.padStart(8, "0")).join("")}`;
  expect(archive.toString("latin1", 0, 120)).toBe(`${header}f\0abcde\0\0\0`);
  const last = archive.subarray(120);
  expect(last.toString("latin1", 6, 22)).toBe("0".repeat(16));
  expect(last.toString("latin1", 110)).toBe("TRAILER!!!\0\0\0\0");
});

it("pads every part to four bytes, so that archives can follow each other", () => {
  expect(renderCpio(ENTRIES).length % 4).toBe(0);
  const twice = renderCpio([...ENTRIES, ...ENTRIES]);
  expect(read(twice)).toHaveLength(8);
});
