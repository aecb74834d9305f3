import { gzipSync } from "node:zlib";
import { expect, it } from "vitest";
import { unpackLz4Legacy } from "../../src/kernel/lz4.ts";
import { extractVmlinux } from "../../src/kernel/vmlinux.ts";

const ELF = Buffer.concat([Buffer.from("\x7fELF", "latin1"), Buffer.alloc(5000, "abc")]);

/** A bzImage with one set-up sector: the header fields are those of Documentation/arch/x86/boot.rst. */
function bzImage(payload: Buffer): Buffer {
  const image = Buffer.alloc(0x1000);
  image.writeUInt8(1, 0x1f1);
  image.write("HdrS", 0x202, "latin1");
  image.writeUInt32LE(0xc00, 0x248);
  image.writeUInt32LE(payload.length, 0x24c);
  return Buffer.concat([image, payload]);
}

it("finds the ELF image inside of a bzImage packed by gzip", () => {
  expect(extractVmlinux(bzImage(gzipSync(ELF)))?.equals(ELF)).toBe(true);
});

it("finds it in one packed by LZ4, with the size that the kernel's build appends", () => {
  // One block: 7 literals, then a match of 4997 bytes 3 back: 15 + 19 × 255 + 133 + 4.
  const block = Buffer.from([0x7f, ...ELF.subarray(0, 7), 3, 0, ...Array(19).fill(255), 133, 0x00]);
  const header = Buffer.from([0x02, 0x21, 0x4c, 0x18, block.length, 0, 0, 0]);
  const size = Buffer.alloc(4);
  size.writeUInt32LE(ELF.length);
  expect(extractVmlinux(bzImage(Buffer.concat([header, block, size])))?.equals(ELF)).toBe(true);
});

it("returns undefined for a file that is not a bzImage, or is packed in another format", () => {
  expect(extractVmlinux(ELF)).toBeUndefined();
  expect(extractVmlinux(bzImage(Buffer.alloc(64, 0xfd)))).toBeUndefined();
});

it("rejects LZ4 data that would be read or written out of bounds", () => {
  const bad = (block: readonly number[]) => Buffer.from([0x02, 0x21, 0x4c, 0x18, block.length, 0, 0, 0, ...block]);
  expect(() => unpackLz4Legacy(bad([0x10, 65, 9, 0]), 100)).toThrow(RangeError);
  expect(() => unpackLz4Legacy(bad([0x50, 65]), 100)).toThrow(RangeError);
  expect(() => unpackLz4Legacy(bad([0x10, 65, 0, 0]), 100)).toThrow(RangeError);
});
