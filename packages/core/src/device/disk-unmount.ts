import { closeSync, constants, openSync } from "node:fs";
import { openInRoot } from "../system/contained-access.ts";
import { type MountPoint, mountPointsBelow } from "../system/mounts.ts";
import { type SystemError, umount } from "../system/syscall.ts";

const FOLDER = 0o10000000 | constants.O_DIRECTORY | constants.O_NOFOLLOW;
/** Somebody inside renames folders meanwhile. */
const MOVED = ["ENOENT", "ENOTDIR", "ELOOP", "EINVAL"];
const ATTEMPTS = 64;
/** The most characters of a path for one call: each takes up to four of the 4096 bytes. */
const LONGEST = 1000;

/**
 * Unmounts a mount within the root of an instance. Inside, the path that the kernel tells may lead elsewhere by now. Then
 * nothing is mounted there, or another disk of the same instance, and the kernel is asked again. Nothing outside of the
 * root is ever reached.
 */
export function unmountWithin(root: string, id: number, { lazy }: { readonly lazy: boolean }): void {
  for (let left = ATTEMPTS; ; left -= 1) {
    const point = mountPointsBelow(root).find((one) => one.id === id);
    if (point === undefined) return;
    try {
      unmountPoint(root, point, lazy);
    } catch (error) {
      if (!MOVED.includes((error as SystemError).code) || left === 0) throw error;
    }
  }
}

function unmountPoint(root: string, { path }: MountPoint, lazy: boolean): void {
  const names = path.slice(root.length + 1).split("/");
  const name = names.pop();
  let folder = openSync(root, FOLDER);
  try {
    for (const part of parts(names)) {
      const next = openInRoot(folder, part, FOLDER);
      closeSync(folder);
      folder = next;
    }
    umount(`/proc/self/fd/${folder}/${name}`, { lazy });
  } finally {
    closeSync(folder);
  }
}

/** A path in parts that a call can take: what is inside may be nested deeper than the longest path. Pure. */
export function parts(names: readonly string[]): readonly string[] {
  const all: string[] = [];
  for (const name of names) {
    const last = all.at(-1);
    if (last === undefined || last.length + name.length >= LONGEST) all.push(name);
    else all[all.length - 1] = `${last}/${name}`;
  }
  return all;
}
