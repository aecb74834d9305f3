import { readdir, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { HostError } from "../contract/errors.ts";
import { mountsBelow } from "../system/mounts.ts";

/**
 * Removes an instance's folder, the record last, so that a removal that was cut short can be recognised. Refuses to
 * remove anything below a mount point: the mounted files may belong to others.
 */
export async function removeInstanceFolder(folder: string, recordName = "instance.json"): Promise<void> {
  const mounts = await mountsBelow(folder);
  if (mounts.length > 0) {
    throw new HostError(
      `remove ${folder}`,
      mounts.map((mount) => ({ need: `unmounted:${mount}`, reason: "still mounted", fix: `umount ${mount}` })),
    );
  }
  const names = await namesIn(folder);
  if (names === undefined) return;
  for (const name of names) {
    if (name !== recordName) await rm(join(folder, name), { recursive: true, force: true });
  }
  await rm(join(folder, recordName), { force: true });
  await rmdir(folder);
}

/**
 * Removes a folder that has no record because its creation or removal was cut short. Such a folder is empty or holds
 * the beginning of a record; a folder with anything else stays. Only under the lock. Returns whether the folder is
 * gone.
 */
export async function removeAbandonedFolder(folder: string): Promise<boolean> {
  const names = await namesIn(folder);
  if (names === undefined) return true;
  if (!names.every((name) => name.startsWith(".instance.json."))) return false;
  for (const name of names) await rm(join(folder, name), { force: true });
  await rmdir(folder);
  return true;
}

/** Removes the partial record that a killed process left. Only under the lock. */
export async function removeHalfWritten(folder: string): Promise<void> {
  for (const name of (await namesIn(folder)) ?? [])
    if (/^\.instance\.json\..*\.tmp$/.test(name)) await rm(join(folder, name), { force: true });
}

async function namesIn(folder: string): Promise<readonly string[] | undefined> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
