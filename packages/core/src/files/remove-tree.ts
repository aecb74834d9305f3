import { lstatSync, readdirSync, rmdirSync, unlinkSync } from "node:fs";
import type { Abortable } from "../contract/abortable.ts";
import { isAbsent } from "./file-stat.ts";
import { openFolderAt } from "./folder-descriptor.ts";
import { systemError } from "./plain-access.ts";
import type { FolderHandle, TreeAccess } from "./tree-access.ts";
import { splitPath } from "./tree-path.ts";
import { everySoOften } from "./turn.ts";

/** Removes what is at `path` and all that it holds, following no symlink; content where nothing is. Aborting leaves a part. */
export async function removeTree(access: TreeAccess, path: string, options: Abortable): Promise<void> {
  const { parent, name } = splitPath(path);
  let folder: FolderHandle;
  try {
    folder = access.openFolder(parent);
  } catch (error) {
    if (isAbsent(error)) return;
    throw error;
  }
  try {
    const turn = everySoOften(options.signal);
    if (name === ".") await emptyFolder(access, folder, turn);
    else await removeEntry(access, folder, name, turn);
  } finally {
    folder[Symbol.dispose]();
  }
}

// Names are bytes: one that is no UTF-8 must be removable, too.
async function removeEntry(
  access: TreeAccess,
  folder: FolderHandle,
  name: Buffer | string,
  turn: () => Promise<void> | undefined,
): Promise<void> {
  await turn();
  const at = folder.path(name);
  try {
    if (!lstatSync(at).isDirectory()) return access.change(folder, name, () => unlinkSync(at));
    // What is mounted there is not what is to be removed.
    if (access.isMountPoint(folder, name)) throw systemError("EBUSY", at.toString(), "something is mounted in it");
    const child = openFolderAt(at);
    try {
      await emptyFolder(access, child, turn);
    } finally {
      child[Symbol.dispose]();
    }
    access.change(folder, name, () => rmdirSync(at));
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
}

async function emptyFolder(
  access: TreeAccess,
  folder: FolderHandle,
  turn: () => Promise<void> | undefined,
): Promise<void> {
  for (const name of readdirSync(folder.path("."), { encoding: "buffer" }))
    await removeEntry(access, folder, name, turn);
}
