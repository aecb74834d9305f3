import { ImageError } from "@pileus/core";

/** What the reader must know about a file system (Linux, Documentation/filesystems/ext4, "Super Block"). */
export interface Layout {
  readonly blockSize: number;
  readonly inodesPerGroup: number;
  readonly inodeSize: number;
  readonly descriptorSize: number;
  /** The block in which the descriptors of the groups begin. */
  readonly descriptors: number;
  readonly inodes: number;
  /** The inode of a journal that has changes which are not in their places yet. */
  readonly journal: number | undefined;
}

const RECOVER = 0x4;
const SIZE_64 = 0x80;
/** Features that the reader handles, and those that change nothing for it: filetype, extents, flex_bg, csum_seed … */
const KNOWN = 0x2 | RECOVER | 0x40 | SIZE_64 | 0x200 | 0x400 | 0x2000 | 0x4000;
const FILE_TYPES = 0x2;

/** Reads a superblock. @throws {ImageError} if it is none, or of a file system that the reader does not know. */
export function parseLayout(superblock: Buffer, path: string): Layout {
  const refuse = (why: string) => new ImageError(path, `its root file system ${why}`);
  if (superblock.readUInt16LE(56) !== 0xef53) throw refuse("is no ext4");
  const features = superblock.readUInt32LE(96);
  const unknown = features & ~KNOWN;
  if (unknown !== 0 || (features & FILE_TYPES) === 0)
    throw refuse(`has features that are not read: 0x${unknown.toString(16)}`);
  const shift = superblock.readUInt32LE(24);
  const inodeSize = superblock.readUInt16LE(88);
  const descriptorSize = (features & SIZE_64) === 0 ? 32 : superblock.readUInt16LE(254);
  const inodesPerGroup = superblock.readUInt32LE(40);
  const blockSize = 1024 * 2 ** Math.min(shift, 7);
  // Powers of two, so that none crosses the end of a block.
  if (
    shift > 6 ||
    !isBetween(inodeSize, 128, blockSize) ||
    !isBetween(descriptorSize, 32, 1024) ||
    inodesPerGroup === 0
  )
    throw refuse("has an impossible superblock");
  return {
    ...{ blockSize, inodesPerGroup, inodeSize, descriptorSize },
    descriptors: superblock.readUInt32LE(20) + 1,
    inodes: superblock.readUInt32LE(0),
    journal: (features & RECOVER) === 0 ? undefined : superblock.readUInt32LE(224),
  };
}

function isBetween(size: number, least: number, most: number): boolean {
  return size >= least && size <= most && Number.isInteger(Math.log2(size));
}
