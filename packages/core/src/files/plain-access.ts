import { closeSync, constants, fstatSync, lchownSync, openSync, statSync } from "node:fs";
import { join } from "node:path";
import type { TreeAccess } from "./tree-access.ts";

/**
 * The tree as this process sees it, from `root` down (default `/`), with no containment: for the guest agent, whose whole
 * world is the guest. Needs root for owners other than our own.
 */
export function plainAccess(root = "/"): TreeAccess {
  const resolve = (path: string) => join(root, path);
  return {
    openFolder(path) {
      const folder = resolve(path);
      if (!statSync(folder).isDirectory()) throw systemError("ENOTDIR", folder);
      return { path: (name) => `${folder}/${name}`, [Symbol.dispose]: () => undefined };
    },
    openFile(path) {
      const file = resolve(path);
      const stat = statSync(file);
      if (!stat.isFile()) throw systemError(stat.isDirectory() ? "EISDIR" : "EINVAL", file);
      // Without O_NONBLOCK a fifo put here since the stat would be waited on for ever.
      const fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
      if (fstatSync(fd).isFile()) return fd;
      closeSync(fd);
      throw systemError("EINVAL", file);
    },
    create(path, owner, make) {
      const made = make();
      lchownSync(path, owner.uid, owner.gid);
      return made;
    },
    inside: (owner) => owner,
  };
}

/** An error as `node:fs` makes them. */
export function systemError(code: string, path: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${path}`), { code, path });
}
