import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { ConfigError, HostError, isInstanceError } from "../contract/errors.ts";
import type { Layout } from "./layout.ts";

/** Makes the root's folders where they are missing, 0700. */
export async function makeRootFolders(layout: Layout): Promise<void> {
  for (const folder of [layout.root, layout.instances, layout.locks]) await makeFolder(folder);
}

// Not `mkdir({ recursive: true })`: it never settles below a folder of which the kernel says that nothing can be made
// in it by ENOENT, as /proc (Node 20.20 goes back and forth between the folder and its parent).
async function makeFolder(path: string): Promise<void> {
  try {
    await makeOne(path);
  } catch (error) {
    const parent = dirname(path);
    if ((error as NodeJS.ErrnoException).code !== "ENOENT" || parent === path) throw error;
    await makeFolder(parent);
    await makeOne(path);
  }
}

async function makeOne(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    const there = await stat(path).catch(() => undefined);
    if (there?.isDirectory() !== true) throw error;
  }
}

const NO_PLACE: Readonly<Record<string, string>> = {
  EEXIST: "what is there is no folder",
  ENOTDIR: "what it lies below is no folder",
  ENOENT: "no folder can be made there",
  ENAMETOOLONG: "the path is too long",
  ELOOP: "its symlinks lead round in a circle",
};

/**
 * Why a root cannot be opened, of a failure of the system: a {@link ConfigError} where no folder can be, else a
 * {@link HostError}. Anything else as it is.
 */
export function rootError(root: string, error: unknown): unknown {
  if (isInstanceError(error)) return error;
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (code === undefined || syscall === undefined) return error;
  const cause = { cause: error };
  const told = NO_PLACE[code];
  if (told !== undefined)
    return new ConfigError("host options", [{ path: ["root"], message: `${root}: ${told} (${code})` }], cause);
  if (code === "EACCES" || code === "EPERM") {
    const reason = `uid ${process.geteuid?.()} may not write to the host's folder ${root}: ${code}`;
    const fix = "run as root, or open a root folder that is yours";
    return new HostError("open the host", [{ need: "root", reason, fix }], cause);
  }
  const reason = `the host's folder ${root} cannot be written: ${code}`;
  const fix = "open a root folder on a file system that is writable and has room";
  return new HostError("open the host", [{ need: `folder:${root}`, reason, fix }], cause);
}
