import { type BigIntStats, lstatSync, readlinkSync } from "node:fs";
import type { FileStat, FileType } from "../contract/files.ts";
import { mtimeMilliseconds } from "../tar/time.ts";
import { nameText } from "../text/byte-name.ts";
import type { TreeAccess } from "./tree-access.ts";

function fileType(stat: BigIntStats): FileType {
  if (stat.isFile()) return "file";
  if (stat.isDirectory()) return "directory";
  if (stat.isSymbolicLink()) return "symlink";
  if (stat.isFIFO()) return "fifo";
  if (stat.isSocket()) return "socket";
  return stat.isBlockDevice() ? "block-device" : "character-device";
}

/** Describes what is at a path of {@link FolderHandle.path}, with the tree's own ids. */
export function readStat(access: TreeAccess, path: Buffer): FileStat {
  const stat = lstatSync(path, { bigint: true });
  const type = fileType(stat);
  return {
    type,
    size: Number(stat.size),
    mode: Number(stat.mode) & 0o7777,
    ...access.inside({ uid: Number(stat.uid), gid: Number(stat.gid) }),
    mtime: mtimeMilliseconds(stat.mtimeNs),
    mtimeNs: stat.mtimeNs,
    ...(type === "symlink" ? { target: nameText(readlinkSync(path, "buffer")) } : {}),
  };
}

/** Whether the error means that there is nothing at the path. */
export function isAbsent(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | null)?.code === "ENOENT";
}
