import { ImageError } from "@pileus/core";
import type { ByteSource } from "./byte-source.ts";

/** What tells a qcow2 file (qemu, docs/interop/qcow2.txt, "Header"). */
const MAGIC = 0x51_46_49_fb;

/**
 * The incompatible feature that changes nothing for a reader: "dirty", left by a QEMU that was killed, only concerns
 * the reference counts.
 */
const DIRTY = 1n;

/** Bits 9 to 55 of an entry: the offset of a table or of a cluster. */
const OFFSET = 0x00ff_ffff_ffff_fe00n;
const COMPRESSED = 1n << 62n;
const ZEROS = 1n;

/**
 * Reads the content of a qcow2 disk while no QEMU uses it, without a tool and without a copy. A disk of a machine comes
 * from a guest and a QEMU that may be hostile: the names of files in it do not count, and each offset is used for
 * reading only.
 *
 * @param path For errors.
 * @throws {ImageError} if the file uses a feature that disks of ours do not have.
 */
export async function readQcow2(file: ByteSource, backing: ByteSource, path: string): Promise<ByteSource> {
  const header = await file.read(0, 104);
  const version = header.readUInt32BE(4);
  if (header.readUInt32BE(0) !== MAGIC || (version !== 2 && version !== 3))
    throw new ImageError(path, "it is no qcow2");
  const bits = header.readUInt32BE(20);
  const [entries, table] = [header.readUInt32BE(36), Number(header.readBigUInt64BE(40))];
  const features = version === 2 ? 0n : header.readBigUInt64BE(72);
  if (header.readUInt32BE(32) !== 0 || (features & ~DIRTY) !== 0n || bits < 9 || bits > 21)
    throw new ImageError(path, "it is encrypted, damaged, or of a kind of qcow2 that is not read here");
  const cluster = 2 ** bits;
  const perTable = cluster / 8;

  const readOwn = (offset: number, length: number): Promise<Buffer> => {
    if (Number.isSafeInteger(offset + length)) return file.read(offset, length);
    throw new ImageError(path, "it is damaged: it has something beyond the end of any file");
  };
  const entryAt = async (offset: number) => (await readOwn(offset, 8)).readBigUInt64BE(0);

  const readCluster = async (offset: number, length: number): Promise<Buffer> => {
    const index = Math.floor(offset / cluster);
    const inL1 = Math.floor(index / perTable);
    const l1 = inL1 < entries ? (await entryAt(table + inL1 * 8)) & OFFSET : 0n;
    const l2 = l1 === 0n ? 0n : await entryAt(Number(l1) + (index % perTable) * 8);
    if ((l2 & COMPRESSED) !== 0n) throw new ImageError(path, "it has compressed clusters, which are not read here");
    if ((l2 & ZEROS) !== 0n) return Buffer.alloc(length);
    const at = l2 & OFFSET;
    return at === 0n ? backing.read(offset, length) : readOwn(Number(at) + (offset % cluster), length);
  };

  return {
    async read(offset, length) {
      const parts: Buffer[] = [];
      for (let at = offset; at < offset + length; ) {
        const part = Math.min(cluster - (at % cluster), offset + length - at);
        parts.push(await readCluster(at, part));
        at += part;
      }
      return Buffer.concat(parts);
    },
  };
}
