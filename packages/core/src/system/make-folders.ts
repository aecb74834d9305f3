import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Creates a folder and those above it that are missing, all with the same mode, and accepts one that exists.
 *
 * Instead of `mkdir({ recursive: true })` of Node 20, which reports a full disk, and whatever else the system refuses, as
 * ENOENT, and never settles below a folder where the kernel refuses a new entry with ENOENT, such as /proc: it goes back
 * and forth between the folder and its parent. @throws a system error.
 */
export function makeFolders(path: string, mode = 0o777): void {
  try {
    makeOne(path, mode);
  } catch (error) {
    const parent = dirname(path);
    if ((error as NodeJS.ErrnoException).code !== "ENOENT" || parent === path) throw error;
    makeFolders(parent, mode);
    makeOne(path, mode);
  }
}

function makeOne(path: string, mode: number): void {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    if (!isFolder(path)) throw error;
  }
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    // The failure of mkdir says more, unless there is something that cannot be followed.
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}
