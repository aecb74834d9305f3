import { randomUUID } from "node:crypto";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { isDiskFull } from "../system/disk-full.ts";
import { acquireLock, isHeld, type Lock, untilFree } from "./lock.ts";
import type { ManagedInstance } from "./managed-instance.ts";

/**
 * Marks, for every process on the root, that a stop of the instance is under way, until what is returned is called or
 * this process dies. Only under the instance's lock.
 *
 * Each stop has a lock of its own, held exclusively: who looks, or waits, takes it shared, and is never taken for a
 * stop.
 */
export async function markStop(instance: ManagedInstance): Promise<() => Promise<void>> {
  const folder = folderOf(instance);
  const path = join(folder, randomUUID());
  let lock: Lock;
  try {
    await makeFolder(folder);
    lock = await acquireLock(path);
  } catch (error) {
    // Without the mark others may take the instance for running until it has ended: better than that it runs on.
    if (isDiskFull(error)) return async () => undefined;
    throw error;
  }
  return async () => {
    // Without the file where that can be. It may be gone with the instance, and one that is left marks nothing.
    await rm(path, { force: true }).catch(() => undefined);
    await lock.release();
  };
}

// Not recursively: of a full disk that says ENOENT (Node 20.20).
async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

/** Only under the instance's lock. */
export async function isStopUnderWay(instance: ManagedInstance): Promise<boolean> {
  for (const path of await marksOf(instance)) {
    if (await isHeld(path)) return true;
    // Of a process that died.
    await rm(path, { force: true });
  }
  return false;
}

/** Waits for the end of the stops under way. Not under the instance's lock, which the end of a stop takes. */
export async function untilNoStopIsUnderWay(instance: ManagedInstance, signal: AbortSignal): Promise<void> {
  for (const path of await marksOf(instance)) await untilFree(path, { signal });
}

async function marksOf(instance: ManagedInstance): Promise<readonly string[]> {
  const folder = folderOf(instance);
  try {
    return (await readdir(folder)).map((name) => join(folder, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

function folderOf({ engine, name }: ManagedInstance): string {
  return engine.layout.stops(name);
}
