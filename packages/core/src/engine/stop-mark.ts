import { acquireLock, tryLock } from "./lock.ts";
import type { ManagedInstance } from "./managed-instance.ts";

/**
 * Marks, for every process on the root, that a stop of the instance is under way, until what is returned is called or
 * this process dies. Stops that overlap have a mark each. Only under the instance's lock.
 */
export async function markStop(instance: ManagedInstance): Promise<() => Promise<void>> {
  const lock = await acquireLock(pathOf(instance), { mode: "shared" });
  return async () => {
    await lock.release();
    // The last takes the file away.
    await isStopUnderWay(instance);
  };
}

export async function isStopUnderWay(instance: ManagedInstance): Promise<boolean> {
  const lock = await tryLock(pathOf(instance));
  await lock?.retire();
  return lock === undefined;
}

/** Waits until no stop is under way. Not under the instance's lock, which the end of a stop takes. */
export async function untilNoStopIsUnderWay(instance: ManagedInstance, signal: AbortSignal): Promise<void> {
  const lock = await acquireLock(pathOf(instance), { signal });
  await lock.retire();
}

function pathOf({ engine, name }: ManagedInstance): string {
  return engine.layout.stopLock(name);
}
