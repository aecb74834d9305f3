import { closeSync, constants, fchmodSync, openSync } from "node:fs";
import { nameBytes } from "../text/byte-name.ts";
import type { FolderHandle } from "./tree-access.ts";

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants;
/** open(2): opens a place in the tree whatever the folder's own permissions are. */
const O_PATH = 0o10000000;

/** A handle of the folder that is open as `fd`; the handle owns `fd` from now on. Needs /proc. */
export function folderOf(fd: number): FolderHandle {
  let open = true;
  const prefix = Buffer.from(`/proc/self/fd/${fd}/`);
  return {
    fd,
    path(name) {
      const bytes = typeof name === "string" ? nameBytes(name) : name;
      const path = Buffer.allocUnsafe(prefix.length + bytes.length);
      path.set(prefix);
      path.set(bytes, prefix.length);
      return path;
    },
    [Symbol.dispose]() {
      if (open) closeSync(fd);
      open = false;
    },
  };
}

/** Opens the folder at a path of {@link FolderHandle.path}; a symlink there is refused with `ENOTDIR`. */
export function openFolderAt(path: string | Buffer): FolderHandle {
  return folderOf(openSync(path, O_PATH | O_DIRECTORY | O_NOFOLLOW));
}

/** chmod(2) of a folder, but never of what a symlink in its place points to. */
export function chmodFolder(path: string | Buffer, mode: number): void {
  const fd = openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK);
  try {
    fchmodSync(fd, mode);
  } finally {
    closeSync(fd);
  }
}
