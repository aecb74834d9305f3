import { utimes } from "node:fs/promises";

/**
 * Changes the times of an instance's folder. Other processes that have the host open watch the folder of all instances
 * (inotify(7), IN_ATTRIB), so they learn that there is something to read.
 */
export async function announce(folder: string): Promise<void> {
  const now = new Date();
  await utimes(folder, now, now);
}
