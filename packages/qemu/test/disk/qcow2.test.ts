import { ImageError } from "@pileus/core";
import { expect, it } from "vitest";
import { readQcow2 } from "../../src/disk/qcow2.ts";
import { bufferSource } from "../support/ext4-image.ts";

const CLUSTER = 65_536;
const backing = bufferSource(Buffer.from("backing".repeat(CLUSTER)));

/** A disk whose first clusters are: from the backing file, own content, zeros. */
function disk(change: (file: Buffer) => void = () => undefined): Buffer {
  const file = Buffer.alloc(4 * CLUSTER);
  file.writeUInt32BE(0x51_46_49_fb, 0);
  file.writeUInt32BE(3, 4);
  file.writeUInt32BE(16, 20);
  file.writeUInt32BE(1, 36);
  file.writeBigUInt64BE(BigInt(CLUSTER), 40);
  file.writeBigUInt64BE((1n << 63n) | BigInt(2 * CLUSTER), CLUSTER);
  file.writeBigUInt64BE((1n << 63n) | BigInt(3 * CLUSTER), 2 * CLUSTER + 8);
  file.writeBigUInt64BE(1n, 2 * CLUSTER + 16);
  file.fill("own", 3 * CLUSTER);
  change(file);
  return file;
}

it("reads own clusters, zeros, and what the backing file has, across clusters", async () => {
  const source = await readQcow2(bufferSource(disk()), backing, "disk");
  const all = await source.read(CLUSTER - 7, CLUSTER + 14);
  expect(all.subarray(0, 7)).toEqual(await backing.read(CLUSTER - 7, 7));
  expect(all.toString("latin1", 7, 13)).toBe("ownown");
  expect(all.subarray(7 + CLUSTER)).toEqual(Buffer.alloc(7));
  expect(await source.read(3 * CLUSTER, 7)).toEqual(await backing.read(3 * CLUSTER, 7));
  // Beyond the table of tables.
  expect(await source.read(2 ** 40, 4)).toEqual(Buffer.alloc(4));
});

it.each<[name: string, change: (file: Buffer) => void]>([
  ["another format", (file) => file.writeUInt32BE(0, 0)],
  ["an unknown version", (file) => file.writeUInt32BE(4, 4)],
  ["encryption", (file) => file.writeUInt32BE(1, 32)],
  ["clusters of an impossible size", (file) => file.writeUInt32BE(40, 20)],
  ["an external data file", (file) => file.writeBigUInt64BE(4n, 72)],
  ["subclusters", (file) => file.writeBigUInt64BE(16n, 72)],
  ["a table beyond the end of any file", (file) => file.writeBigUInt64BE(2n ** 63n, 40)],
  ["a cluster beyond the end of any file", (file) => file.writeBigUInt64BE(2n ** 55n, 2 * CLUSTER)],
  ["compressed clusters", (file) => file.writeBigUInt64BE(1n << 62n, 2 * CLUSTER)],
])("refuses a disk with %s", async (_name, change) => {
  const read = async () => (await readQcow2(bufferSource(disk(change)), backing, "disk")).read(0, 16);
  await expect(read()).rejects.toThrow(ImageError);
});

it("reads a disk that a killed QEMU left", async () => {
  const source = await readQcow2(bufferSource(disk((file) => file.writeBigUInt64BE(1n, 72))), backing, "disk");
  expect((await source.read(CLUSTER, 3)).toString()).toBe("own");
});
