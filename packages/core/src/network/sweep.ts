import { existsSync, lstatSync } from "node:fs";
import { join } from "node:path";
import { tryLock } from "../engine/lock.ts";
import { namesIn } from "./managed-network.ts";

const PREFIX = ".lock-";

/** The lock's file of a network. No name of a network begins with a dot. */
export function networkLock(folder: string, name: string): string {
  return join(folder, `${PREFIX}${name}`);
}

/** Removes the locks' files of networks that are gone, or never came to be: their holder was killed. */
export async function sweepNetworkLocks(folder: string): Promise<void> {
  for (const file of await namesIn(folder)) {
    if (!file.startsWith(PREFIX)) continue;
    const [path, network] = [join(folder, file), join(folder, file.slice(PREFIX.length))];
    if (existsSync(network) || !lstatSync(path, { throwIfNoEntry: false })?.isFile()) continue;
    const lock = await tryLock(path);
    // Once more, now that nobody else makes it.
    await (existsSync(network) ? lock?.release() : lock?.retire());
  }
}
