import { randomUUID } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { isDiskFull } from "../system/disk-full.ts";
import { namesIn } from "../system/folder-entries.ts";
import { acquireLock, isHeld, type Lock, tryLock, untilFree } from "./lock.ts";
import type { ManagedInstance } from "./managed-instance.ts";

/**
 * Marks, for every process that uses the root, that a stop of the instance is under way. The mark lasts until the
 * returned function is called or this process dies. A second call of that function does nothing.
 *
 * Each stop holds a lock of its own exclusively. Callers that check or wait take it shared, so they never look like a
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
    // Without the mark other processes see `running` until the instance has ended; that is better than no stop.
    if (isDiskFull(error)) return async () => undefined;
    throw error;
  }
  return async () => {
    // The file may be gone with the instance; a file that stays without its lock marks nothing.
    await rm(path, { force: true }).catch(() => undefined);
    await lock.release();
  };
}

/**
 * Kills the run that this process is attached to at once, without the instance's lock: the holder of the lock may hang
 * for as long as the instance lives. If another process sees the end first, the mark tells it that the end was
 * requested. Returns the function that removes the mark; `undefined` when there is no run.
 */
export async function killWithoutLock(instance: ManagedInstance): Promise<(() => Promise<void>) | undefined> {
  const { run } = instance;
  if (run === undefined || run.end !== undefined) return undefined;
  // A kill without a mark is better than no kill.
  const unmark = await markStop(instance).catch(() => undefined);
  run.killNow();
  return unmark;
}

// Not recursive: on a full disk that fails with ENOENT (Node 20.20).
async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

/** Whether any process has marked a stop. */
export async function isStopUnderWay(instance: ManagedInstance): Promise<boolean> {
  for (const path of await marksOf(instance)) {
    if (isHeld(path)) return true;
    // The mark of a dead process. It is removed under its lock: a process that is just creating it then creates it
    // again.
    const dead = await tryLock(path);
    await dead?.retire();
    if (dead === undefined && isHeld(path)) return true;
  }
  return false;
}

/** Waits for the end of the stops under way. Not under the instance's lock, which a stop takes at its end. */
export async function untilNoStopIsUnderWay(instance: ManagedInstance, signal: AbortSignal): Promise<void> {
  for (const path of await marksOf(instance)) await untilFree(path, { signal });
}

async function marksOf(instance: ManagedInstance): Promise<readonly string[]> {
  const folder = folderOf(instance);
  return (await namesIn(folder)).map((name) => join(folder, name));
}

function folderOf({ engine, name }: ManagedInstance): string {
  return engine.layout.stops(name);
}
