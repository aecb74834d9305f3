import { gzipSync } from "node:zlib";
import { expect, it } from "vitest";
import { parseKernelFile } from "../../src/kernel/kernel-file.ts";
import { bzImage } from "../support/kernel-head.ts";

function elf(machine: number): Buffer {
  const head = Buffer.alloc(64);
  head.write("\x7fELF\x02\x01", "latin1");
  head.writeUInt16LE(machine, 18);
  return head;
}

function arm64Image(): Buffer {
  const head = Buffer.alloc(64);
  head.write("ARM\x64", 56, "latin1");
  return head;
}

const zboot = () => Buffer.concat([Buffer.from("MZ\0\0zimg"), Buffer.alloc(64)]);

it.each([
  ["a bzImage with its release", bzImage("6.1.0-56-amd64"), { architecture: "x64", release: "6.1.0-56-amd64" }],
  ["a bzImage of 32 bits", bzImage("6.1", { wide: false }), { architecture: "ia32", release: "6.1" }],
  ["an ELF image of x86-64", elf(62), { architecture: "x64" }],
  ["an ELF image of arm64", elf(183), { architecture: "arm64" }],
  ["an ELF image of another machine", elf(243), { architecture: "ELF machine 243" }],
  ["an Image of arm64", arm64Image(), { architecture: "arm64" }],
  ["an archive of gzip", gzipSync("kernel"), "it is packed by gzip"],
  ["an archive of zstd", Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0]), "it is packed by zstd"],
  ["an EFI program", zboot(), "it is packed into an EFI program"],
  ["other content", Buffer.from("#!/bin/sh\n"), "it is no kernel"],
  ["an empty file", Buffer.alloc(0), "it is empty"],
])("recognises %s", (_name, head, expected) => {
  expect(parseKernelFile(head)).toEqual(expected);
});

it.each([
  ["that cannot be a name", "../../etc"],
  ["without a version", ""],
])("takes no release %s from a kernel", (_name, release) => {
  expect(parseKernelFile(bzImage(release))).toEqual({ architecture: "x64" });
});
