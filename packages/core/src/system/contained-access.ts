import { chownSync, closeSync, constants, fchownSync, fstatSync, lstatSync, openSync } from "node:fs";
import { systemError } from "../errors/system-error.ts";
import { folderOf } from "../files/folder-descriptor.ts";
import type { FolderHandle, Owner, TreeAccess } from "../files/tree-access.ts";
import { capabilityOfNamespace } from "../files/xattrs.ts";
import type { Idmap } from "../terms/idmap.ts";
import { nameBytes } from "../text/byte-name.ts";
import { withFileIdentity } from "./file-identity.ts";
import { idInside, idOutside, isMapped, ownerOutside } from "./idmap.ts";
import { openat2, openat2IfThere, RESOLVE } from "./openat2.ts";
import { nativeFileCalls, type SystemError } from "./syscall.ts";

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = constants;
const O_PATH = 0o10000000;

/** Options of {@link containedAccess}. */
export interface ContainedAccessOptions {
  /** Opens the current root folder of the tree. The access closes it after each use. */
  readonly openRoot: () => number;
  /** Called before each change to the tree; throws when changes are no longer allowed. */
  readonly assertCurrent?: (() => void) | undefined;
  /** Maps the tree's ids to ids of the host. Default: no mapping. */
  readonly idmap?: Idmap | undefined;
}

/**
 * Access to a tree with hostile content. No symlink, `..` or magic link in it leads outside, however the tree changes
 * meanwhile (openat2(2), RESOLVE_IN_ROOT), and no call blocks. Needs root and /proc.
 */
export function containedAccess(options: ContainedAccessOptions): TreeAccess {
  const { idmap } = options;
  const outside = (owner: Owner) => ownerOutside(idmap, owner);
  const owns = ({ uid, gid }: Owner) => isMapped(idmap, "uid", uid) && isMapped(idmap, "gid", gid);
  return {
    openFolder: (path) => folderOf(resolve(options, path, O_PATH | O_DIRECTORY)),
    openFile(path) {
      const found = resolve(options, path, O_PATH);
      try {
        const stat = fstatSync(found);
        if (!stat.isFile()) throw systemError(stat.isDirectory() ? "EISDIR" : "EINVAL", path);
        // Not even a lease can block this call. fcntl(2), F_SETLEASE.
        return openSync(`/proc/self/fd/${found}`, O_RDONLY | O_NONBLOCK | O_NOCTTY);
      } finally {
        closeSync(found);
      }
    },
    create(path, owner, make) {
      options.assertCurrent?.();
      const ids = outside(owner);
      const made = withOwner(ids, make);
      giveGroupAt(path, ids.gid, owns);
      return made;
    },
    createFile(owner, open) {
      options.assertCurrent?.();
      const ids = outside(owner);
      const fd = withOwner(ids, open);
      try {
        giveGroup(fd, ids.gid);
        return fd;
      } catch (error) {
        closeSync(fd);
        throw error;
      }
    },
    change(folder, name, act) {
      options.assertCurrent?.();
      if (isMountPoint(folder, name)) throw systemError("EBUSY", name.toString(), "something is mounted there");
      // In a file system that was mounted in a user namespace, only ids that it maps can create names: even root gets
      // EOVERFLOW. linux/fs/namei.c, may_create().
      return withOwner(outside({ uid: 0, gid: 0 }), act);
    },
    isMountPoint,
    inside: ({ uid, gid }) => ({ uid: idInside(idmap, "uid", uid), gid: idInside(idmap, "gid", gid) }),
    owns,
    // Root of a container with its own ids is not root of the host, so its capabilities must not hold there.
    capability: (value) => (idmap === undefined ? value : capabilityOfNamespace(value, idOutside(idmap, "uid", 0))),
    calls: nativeFileCalls(),
  };
}

/**
 * What distinguishes the content of a regular file in a tree, from its present root folder: the stamp changes when the
 * file does, unless it changes twice within a jiffy. `changed` is the time of its last change, in nanoseconds since the
 * epoch.
 *
 * @throws a Node-style error with `code` if there is no such file.
 */
export function fileStamp(root: number, path: string): { readonly stamp: string; readonly changed: bigint } {
  const found = openInRoot(root, path, O_PATH);
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = fstatSync(found, { bigint: true });
    return { stamp: `${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}`, changed: ctimeNs };
  } finally {
    closeSync(found);
  }
}

function withOwner<T>({ uid, gid }: Owner, make: () => T): T {
  return uid === 0 && gid === 0 ? make() : withFileIdentity(uid, gid, make);
}

/** A file that is created in a folder with the setgid bit gets the group of the folder: inode(7). */
function giveGroup(fd: number, gid: number): void {
  const made = fstatSync(fd);
  if (made.gid !== gid) fchownSync(fd, made.uid, gid);
}

/**
 * The same for a file that was made at a path. By now, somebody inside may have mounted another file there, even one of
 * the host. So it changes only what belongs to the tree.
 */
function giveGroupAt(path: Buffer, gid: number, owns: (owner: Owner) => boolean): void {
  const seen = lstatSync(path, { throwIfNoEntry: false });
  if (seen === undefined || seen.gid === gid) return;
  const fd = openSync(path, O_PATH | O_NOFOLLOW);
  try {
    const made = fstatSync(fd);
    if (owns(made)) chownSync(`/proc/self/fd/${fd}`, made.uid, gid);
  } finally {
    closeSync(fd);
  }
}

/** Also detects a folder that is bind-mounted over another one of the same file system. */
function isMountPoint(folder: FolderHandle, name: string | Buffer): boolean {
  const bytes = typeof name === "string" ? nameBytes(name) : name;
  try {
    const found = openat2IfThere(folder.fd, bytes, O_PATH | O_NOFOLLOW, 0, RESOLVE.NO_XDEV);
    if (found !== undefined) closeSync(found);
    return false;
  } catch (error) {
    if ((error as SystemError).code === "EXDEV") return true;
    throw error;
  }
}

function resolve(options: ContainedAccessOptions, path: string, flags: number): number {
  const root = options.openRoot();
  try {
    return openInRoot(root, path, flags);
  } finally {
    closeSync(root);
  }
}

/**
 * Opens a path below an open folder as a process does whose root it is: openat2(2), RESOLVE_IN_ROOT. EAGAIN when a rename
 * anywhere on the system raced with the resolution of a ".."; then the caller must try again.
 */
export function openInRoot(root: number, path: string, flags: number): number {
  for (let left = 64; ; left -= 1) {
    try {
      return openat2(root, nameBytes(path), flags, 0, RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS);
    } catch (error) {
      if ((error as SystemError).code !== "EAGAIN" || left === 0) throw error;
    }
  }
}
