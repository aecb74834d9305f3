import { randomUUID } from "node:crypto";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { isDiskFull } from "../system/disk-full.ts";
import { acquireLock, isHeld, type Lock, tryLock, untilFree } from "./lock.ts";
import type { ManagedInstance } from "./managed-instance.ts";

/**
 * Marks, for every process on the root, that a stop of the instance is under way, until what is returned is called or
 * this process dies. A second call of that does nothing.
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

/**
 * Kills at once what this process holds, without the instance's lock: its holder may hang for as long as the instance
 * lives. Another process that sees the end first knows by the mark that it was asked for. Returns the mark's end;
 * `undefined` where nothing is held.
 */
export async function killAhead(instance: ManagedInstance): Promise<(() => Promise<void>) | undefined> {
  const { run } = instance;
  if (run === undefined || run.end !== undefined) return undefined;
  // Unmarked is better than alive.
  const unmark = await markStop(instance).catch(() => undefined);
  run.killNow();
  return unmark;
}

// Not recursively: of a full disk that says ENOENT (Node 20.20).
async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

/** Whether any process marks a stop. */
export async function isStopUnderWay(instance: ManagedInstance): Promise<boolean> {
  for (const path of await marksOf(instance)) {
    if (await isHeld(path)) return true;
    // Of a process that died. Held while it goes: one that another is just making, it then makes anew.
    const dead = await tryLock(path);
    await dead?.retire();
    if (dead === undefined && (await isHeld(path))) return true;
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
