import { existsSync, lstatSync } from "node:fs";
import { join } from "node:path";
import { namesIn } from "../system/folder-entries.ts";
import { tryLock } from "../system/lock.ts";

const PREFIX = ".lock-";

/** The lock file of a network. No network's name begins with a dot. */
export function networkLock(folder: string, name: string): string {
  return join(folder, `${PREFIX}${name}`);
}

/** Removes the lock files of networks that are deleted, or were never made because their process was killed. */
export async function sweepNetworkLocks(folder: string): Promise<void> {
  for (const file of await namesIn(folder)) {
    if (!file.startsWith(PREFIX)) continue;
    const [path, network] = [join(folder, file), join(folder, file.slice(PREFIX.length))];
    if (existsSync(network) || !lstatSync(path, { throwIfNoEntry: false })?.isFile()) continue;
    const lock = await tryLock(path);
    // Checked again, now that no other process can be making it.
    await (existsSync(network) ? lock?.release() : lock?.retire());
  }
}
