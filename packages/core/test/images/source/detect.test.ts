import { describe, expect, it } from "vitest";
import { ImageError } from "../../../src/errors/all.ts";
import { parseOsRelease } from "../../../src/images/rootfs-facts.ts";
import { kindOf } from "../../../src/images/source/detect.ts";
import { file, tarBytes } from "../support/tar-bytes.ts";

const disk = (write: (head: Buffer) => void) => {
  const head = Buffer.alloc(2048);
  write(head);
  return head;
};

describe("kindOf", () => {
  it.each([
    ["a tar", tarBytes(file("f")), "tar"],
    ["a gzip", Buffer.from([0x1f, 0x8b, 8, 0]), "tar"],
    ["an xz", Buffer.from("fd377a585a0000", "hex"), "tar"],
    ["a zstd", Buffer.from("28b52ffd00", "hex"), "tar"],
    ["a zstd that begins with a skippable frame", Buffer.from("5a2a4d1800", "hex"), "tar"],
    ["a squashfs", Buffer.from("hsqs...."), "squashfs"],
    ["a qcow2", Buffer.from("QFI\xfb....", "latin1"), "qcow2"],
    ["an MBR disk", disk((head) => head.writeUInt16LE(0xaa55, 510)), "raw"],
    ["a GPT disk", disk((head) => head.write("EFI PART", 512)), "raw"],
    ["an ext4 disk", disk((head) => head.writeUInt16LE(0xef53, 1080)), "raw"],
  ])("recognises %s by its bytes", (_what, head, kind) => {
    expect(kindOf("x", head)).toBe(kind);
  });

  it.each([
    ["nothing", Buffer.alloc(0), /neither a tar/],
    ["zeroes", Buffer.alloc(2048), /neither a tar/],
    ["text", Buffer.from("#!/bin/sh\n"), /neither a tar/],
    ["bzip2", Buffer.from("BZh9"), /bzip2 file: recompress/],
    ["a VMDK", Buffer.from("KDMV"), /VMDK disk: convert/],
  ])("refuses %s", (_what, head, message) => {
    expect(() => kindOf("x", head)).toThrow(ImageError);
    expect(() => kindOf("x", head)).toThrow(message);
  });
});

describe("parseOsRelease", () => {
  it("reads assignments with and without quotes, and nothing else", () => {
    const text = "ID=debian\nVERSION_ID=\"12\"\nNAME='A b'\n# ID=x\nBAD LINE\nEMPTY=\nID_LIKE=$(x) y\n";
    expect(parseOsRelease(text)).toEqual({ ID: "debian", VERSION_ID: "12", NAME: "A b" });
  });
});
