import { describe, expect, it } from "vitest";
import { ImageError } from "../../../src/errors/all.ts";
import { assertSelfContained } from "../../../src/images/disk/qcow2.ts";

/** A header of version 3 with 64 KiB of room; qemu, docs/interop/qcow2.txt. */
function header(change: (head: Buffer) => void = () => {}): Buffer {
  const head = Buffer.alloc(65536);
  head.writeUInt32BE(0x514649fb, 0);
  head.writeUInt32BE(3, 4);
  head.writeUInt32BE(16, 20);
  head.writeBigUInt64BE(2n ** 30n, 24);
  head.writeUInt32BE(104, 100);
  change(head);
  return head;
}

function extension(type: number, length = 8) {
  return (head: Buffer) => {
    head.writeUInt32BE(type, 104);
    head.writeUInt32BE(length, 108);
  };
}

describe("assertSelfContained", () => {
  it("accepts a plain disk of either version, and harmless features", () => {
    assertSelfContained("d", header());
    assertSelfContained(
      "d",
      header((head) => head.writeUInt32BE(2, 4)),
    );
    assertSelfContained(
      "d",
      header((head) => head.writeBigUInt64BE(0b11001n, 72)),
    );
    assertSelfContained("d", header(extension(0x6803f857, 144)));
  });

  it.each<[string, (head: Buffer) => void, RegExp]>([
    ["a backing file", (head) => head.writeBigUInt64BE(600n, 8), /backing file/],
    ["a backing file without an offset", (head) => head.writeUInt32BE(5, 16), /backing file/],
    ["its data elsewhere", (head) => head.writeBigUInt64BE(4n, 72), /data in another file/],
    ["the name of a data file", extension(0x44415441), /names another file/],
    ["the format of a backing file", extension(0xe2792aca), /format of a backing file/],
    ["a corrupt mark", (head) => head.writeBigUInt64BE(2n, 72), /marked as corrupt/],
    ["features of the future", (head) => head.writeBigUInt64BE(32n, 72), /unknown/],
    ["encryption", (head) => head.writeUInt32BE(2, 32), /encrypted/],
    ["another version", (head) => head.writeUInt32BE(4, 4), /version 4/],
    ["another magic", (head) => head.writeUInt32BE(0, 0), /not a qcow2/],
    ["an impossible header length", (head) => head.writeUInt32BE(2 ** 31, 100), /impossible length/],
    ["an extension beyond the header", extension(1, 2 ** 31), /malformed/],
    ["extensions without end", (head) => head.fill(1, 104), /malformed|do not end/],
  ])("refuses %s", (_what, change, message) => {
    expect(() => assertSelfContained("d", header(change))).toThrow(ImageError);
    expect(() => assertSelfContained("d", header(change))).toThrow(message);
  });

  it("refuses a header that is cut off at any byte", () => {
    for (let length = 0; length < 112; length++)
      expect(() => assertSelfContained("d", header().subarray(0, length))).toThrow(ImageError);
  });
});
