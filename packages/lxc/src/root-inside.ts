import { closeSync, constants, openSync } from "node:fs";
import { ConnectionError } from "@pileus/core";
import type { InitProcess } from "./init-process.ts";

const O_PATH = 0o10000000;

/** Opens the root of a container as its init sees it now, mounts included. @throws {ConnectionError} when that ends. */
export function openRootInside(init: InitProcess, container: string): number {
  const { pid } = init.current();
  let root: number | undefined;
  try {
    root = openSync(`/proc/${pid}/root`, O_PATH | constants.O_DIRECTORY);
  } catch (error) {
    const isThere = init.find()?.pid === pid;
    // A process that is ending still exists but has no root any more: linux/fs/proc/base.c, get_task_root().
    if (isThere && (error as NodeJS.ErrnoException).code === "ENOENT")
      throw new ConnectionError(`container "${container}"`, "its init is ending");
    if (isThere) throw error;
  }
  // Checks again: the init may have ended meanwhile, or its pid may belong to another process.
  if (root !== undefined && init.find()?.pid === pid) return root;
  if (root !== undefined) closeSync(root);
  return openRootInside(init, container);
}
