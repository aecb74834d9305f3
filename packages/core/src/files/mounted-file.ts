import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  ftruncateSync,
  openSync,
  read,
  statfsSync,
  write,
} from "node:fs";
import { promisify } from "node:util";
import { systemError } from "../errors/system-error.ts";
import type { FolderHandle, TreeAccess } from "./tree-access.ts";

const readAsync = promisify(read);
const writeAsync = promisify(write);
const { O_WRONLY, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = constants;
const O_PATH = 0o10000000;
const CHUNK = 256 * 1024;

/**
 * File systems of plain data: statfs(2), linux/magic.h. On others a write is a command to the kernel, or waits for a
 * server of that file system: a hostile tree may have mounted such a file over another for just this.
 */
const DATA = new Set([
  0x01021994, // tmpfs
  0x0000ef53, // ext2 to ext4
  0x58465342, // xfs
  0x9123683e, // btrfs
  0x794c7630, // overlayfs
  0x2fc12fc1, // zfs
  0xf2f52010, // f2fs
  0xca451a4e, // bcachefs
]);

/**
 * Copies the content, owner and mode of the file open at `from` into the file that is mounted at `name`, because no
 * file can replace a mount. Readers may see a part of the content.
 */
export async function writeMounted(
  access: TreeAccess,
  folder: FolderHandle,
  name: string | Buffer,
  from: number,
): Promise<void> {
  const to = openData(access, folder.path(name));
  try {
    const { uid, gid, mode } = fstatSync(from);
    ftruncateSync(to, 0);
    await copy(from, to);
    fchownSync(to, uid, gid);
    fchmodSync(to, mode & 0o7777);
  } finally {
    closeSync(to);
  }
}

/** Opens a file that the tree itself could write to, and that holds plain data. Checks the file before opening it. */
function openData(access: TreeAccess, path: Buffer): number {
  const found = openSync(path, O_PATH | O_NOFOLLOW);
  try {
    const self = `/proc/self/fd/${found}`;
    const stat = fstatSync(found);
    if (!stat.isFile()) throw systemError("EINVAL", self);
    if (!DATA.has(statfsSync(self).type) || !access.owns(stat))
      throw systemError("EBUSY", self, "what is mounted there is not the instance's own");
    return openSync(self, O_WRONLY | O_NONBLOCK | O_NOCTTY);
  } finally {
    closeSync(found);
  }
}

async function copy(from: number, to: number): Promise<void> {
  const buffer = Buffer.allocUnsafe(CHUNK);
  for (let at = 0; ; ) {
    const { bytesRead } = await readAsync(from, buffer, 0, CHUNK, at);
    if (bytesRead === 0) return;
    for (let done = 0; done < bytesRead; ) {
      done += (await writeAsync(to, buffer, done, bytesRead - done, at + done)).bytesWritten;
    }
    at += bytesRead;
  }
}
