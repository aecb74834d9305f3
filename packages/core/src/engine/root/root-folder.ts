import { ConfigError, HostError, isInstanceError } from "../../errors/all.ts";
import { makeFolders } from "../../system/make-folders.ts";
import type { Layout } from "./layout.ts";

/** Creates the missing folders of the root, with mode 0700. */
export async function makeRootFolders(layout: Layout): Promise<void> {
  for (const folder of [layout.root, layout.instances, layout.names, layout.locks]) makeFolders(folder, 0o700);
}

const NO_PLACE: Readonly<Record<string, string>> = {
  EEXIST: "it exists and is not a folder",
  ENOTDIR: "a parent is not a folder",
  ENOENT: "no folder can be created there",
  ENAMETOOLONG: "the path is too long",
  ELOOP: "its symlinks form a loop",
};

/**
 * Translates a system error of opening a root: a {@link ConfigError} when the root cannot be a folder, else a
 * {@link HostError}. Other errors are returned unchanged.
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
    const reason = `uid ${process.geteuid?.()} may not write to the root folder ${root}: ${code}`;
    const fix = "run as root, or open a root folder that you own";
    return new HostError("open the host", [{ need: "root", reason, fix }], cause);
  }
  const reason = `the root folder ${root} cannot be written: ${code}`;
  const fix = "open a root folder on a writable file system with free space";
  return new HostError("open the host", [{ need: `folder:${root}`, reason, fix }], cause);
}
