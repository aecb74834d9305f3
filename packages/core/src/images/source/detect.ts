import type { Stats } from "node:fs";
import { open, opendir, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { ConfigError, ImageError, NotFoundError } from "../../errors/all.ts";
import { BLOCK, isZeroBlock, parseTarHeader, TarFault } from "../../tar/header.ts";
import { compressionOf } from "../layer/compression.ts";

export type FileKind = "tar" | "squashfs" | "folder" | "qcow2" | "raw";

export interface LocalSource {
  readonly kind: FileKind;
  /** Absolute. */
  readonly path: string;
  readonly stats: Stats;
}

/**
 * Detects by its first bytes what a path is. @throws {NotFoundError} with `hint`. @throws {ImageError} when it cannot
 * be read, or is of no known kind.
 */
export async function detectSource(source: string, hint: string): Promise<LocalSource> {
  const path = resolve(source);
  try {
    return await detect(source, path);
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") throw new NotFoundError("host file", source, { cause: error, hint });
    if (code === undefined || syscall === undefined) throw error;
    throw new ImageError(source, `it cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

async function detect(source: string, path: string): Promise<LocalSource> {
  const stats = await stat(path);
  if (stats.isDirectory()) {
    if (await isEmpty(path))
      throw new ImageError(source, "the folder is empty: a root file system, with /bin and /etc, was expected in it");
    return { kind: "folder", path, stats };
  }
  // Opening a FIFO would wait for a writer, and a device has no size.
  if (!stats.isFile())
    throw new ConfigError("image source", [{ path: [], message: `${source} is neither a file nor a folder` }]);
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(2048), 0, 2048, 0);
    return { kind: kindOf(source, buffer.subarray(0, bytesRead)), path, stats };
  } finally {
    await file.close();
  }
}

async function isEmpty(path: string): Promise<boolean> {
  const folder = await opendir(path);
  try {
    return (await folder.read()) === null;
  } finally {
    await folder.close();
  }
}

const OTHERS: readonly (readonly [magic: string, name: string])[] = [
  ["BZh", "a bzip2 file: recompress it with gzip, xz or zstd"],
  ["KDMV", "a VMDK disk: convert it with qemu-img to qcow2"],
  ["vhdxfile", "a VHDX disk: convert it with qemu-img to qcow2"],
  ["PK\x03\x04", "a zip file"],
  ["\x7fELF", "a program"],
];

/** The kind of a file, by its first 2 KiB. @throws {ImageError} */
export function kindOf(source: string, head: Buffer): FileKind {
  if (compressionOf(head) !== "none") return "tar";
  const starts = (magic: string) => head.subarray(0, magic.length).equals(Buffer.from(magic, "latin1"));
  // squashfs_fs.h: SQUASHFS_MAGIC; qemu, docs/interop/qcow2.txt.
  if (starts("hsqs")) return "squashfs";
  if (starts("QFI\xfb")) return "qcow2";
  if (isTar(head)) return "tar";
  if (isDisk(head)) return "raw";
  const other = OTHERS.find(([magic]) => starts(magic));
  throw new ImageError(
    source,
    other === undefined
      ? "it is neither a tar (plain, gzip, xz, zstd) nor a squashfs, a qcow2 or a raw disk with a partition table or ext file system"
      : `it is ${other[1]}`,
  );
}

function isTar(head: Buffer): boolean {
  const block = head.subarray(0, BLOCK);
  if (block.length < BLOCK || isZeroBlock(block)) return false;
  try {
    parseTarHeader(block);
    return true;
  } catch (error) {
    if (error instanceof TarFault) return false;
    throw error;
  }
}

function isDisk(head: Buffer): boolean {
  if (head.length < 2048) return false;
  const mbr = head.readUInt16LE(510) === 0xaa55;
  const gpt = head.toString("latin1", 512, 520) === "EFI PART";
  // ext4, Documentation/filesystems/ext4/super.rst: s_magic, 56 bytes into the superblock at 1024.
  const ext = head.readUInt16LE(1024 + 56) === 0xef53;
  return mbr || gpt || ext;
}
