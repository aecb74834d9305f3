import { lstatSync, rmdirSync, rmSync, unlinkSync } from "node:fs";
import { readdir, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { HostError } from "../../errors/all.ts";
import { mountsBelow } from "../../system/mounts.ts";

const RECORD = "instance.json";
/** The bytes of a file that is removed without waiting for a thread. */
const SMALL = 64 * 1024;

/**
 * Removes an instance's folder, the record last, so that a removal that was cut short can be recognised. Refuses to
 * remove anything below a mount point: the mounted files may belong to others. `gone` is called as soon as the record is
 * removed, before other processes see that the folder is.
 */
export async function removeInstanceFolder(folder: string, gone: () => void = () => {}): Promise<void> {
  const mounts = await mountsBelow(folder);
  if (mounts.length > 0) {
    throw new HostError(
      `remove ${folder}`,
      mounts.map((mount) => ({ need: `unmounted:${mount}`, reason: "still mounted", fix: `umount ${mount}` })),
    );
  }
  const names = await namesIn(folder);
  if (names === undefined) return gone();
  for (const name of names) {
    if (name !== RECORD && !isRemovedAtOnce(join(folder, name)))
      await rm(join(folder, name), { recursive: true, force: true });
  }
  rmSync(join(folder, RECORD), { force: true });
  gone();
  rmdirSync(folder);
}

/** Removes an empty folder, and a file that takes no time: each step of a recursive removal waits for a thread. */
function isRemovedAtOnce(path: string): boolean {
  try {
    const stats = lstatSync(path);
    if (stats.isDirectory()) rmdirSync(path);
    else if (stats.size <= SMALL) unlinkSync(path);
    else return false;
    return true;
  } catch {
    // A folder with content, or an error that the recursive removal reports.
    return false;
  }
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

/** Whether a killed process left a partial record, or a process is writing one right now. */
export async function hasHalfWritten(folder: string): Promise<boolean> {
  return (await halfWrittenIn(folder)).length > 0;
}

/** Removes the partial record that a killed process left. Only under the lock. */
export async function removeHalfWritten(folder: string): Promise<void> {
  for (const name of await halfWrittenIn(folder)) await rm(join(folder, name), { force: true });
}

async function halfWrittenIn(folder: string): Promise<readonly string[]> {
  return ((await namesIn(folder)) ?? []).filter((name) => /^\.instance\.json\..*\.tmp$/.test(name));
}

async function namesIn(folder: string): Promise<readonly string[] | undefined> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
