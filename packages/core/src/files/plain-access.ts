import { closeSync, constants, fchownSync, fstatSync, lchownSync, openSync, readFileSync, statSync } from "node:fs";
import { systemError } from "../errors/system-error.ts";
import { nameBytes } from "../text/byte-name.ts";
import type { FileCalls } from "./file-calls.ts";
import { folderOf } from "./folder-descriptor.ts";
import type { TreeAccess } from "./tree-access.ts";

const O_PATH = 0o10000000;

/**
 * The tree as this process sees it, from `root` down (default `/`), without containment: for the guest agent, which
 * sees nothing but the guest. Needs /proc, and root for owners other than our own.
 */
export function plainAccess(root = "/", calls?: FileCalls): TreeAccess {
  // No lexical resolution: what ".." leads to depends on symlinks.
  const resolve = (path: string) => nameBytes(`${root === "/" ? "" : root}${path}`);
  return {
    openFolder: (path) => folderOf(openSync(resolve(path), O_PATH | constants.O_DIRECTORY)),
    openFile(path) {
      const file = resolve(path);
      const stat = statSync(file);
      if (!stat.isFile()) throw systemError(stat.isDirectory() ? "EISDIR" : "EINVAL", path);
      // Without O_NONBLOCK, a fifo that was put here since the stat would block for ever.
      const fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
      if (fstatSync(fd).isFile()) return fd;
      closeSync(fd);
      throw systemError("EINVAL", path);
    },
    create(path, owner, make) {
      const made = make();
      lchownSync(path, owner.uid, owner.gid);
      return made;
    },
    createFile(owner, open) {
      const fd = open();
      try {
        fchownSync(fd, owner.uid, owner.gid);
        return fd;
      } catch (error) {
        closeSync(fd);
        throw error;
      }
    },
    // For a mount in its own namespace the kernel itself returns EBUSY.
    change: (_folder, _name, act) => act(),
    isMountPoint(folder, name) {
      const child = openSync(folder.path(name), O_PATH | constants.O_NOFOLLOW);
      try {
        return mountId(child) !== mountId(folder.fd);
      } finally {
        closeSync(child);
      }
    },
    inside: (owner) => owner,
    owns: () => true,
    capability: (value) => value,
    calls,
  };
}

/** The id of the mount, which differs also between mounts of one file system. proc_pid_fdinfo(5). */
function mountId(fd: number): string | undefined {
  return /^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "latin1"))?.[1];
}
