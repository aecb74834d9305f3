import { type FSWatcher, watch } from "node:fs";
import { NameSchema } from "../../model/name.ts";
import type { Engine } from "../instance/engine.ts";

/** Notes when an instance expires, if this host has the driver to end it. */
export function noteLifetime({ records, drivers, lifetimes }: Engine, key: string): void {
  const reading = records.read(key);
  if (reading.kind !== "record" || reading.record.phase !== "ready" || !drivers.has(reading.record.config.driver))
    return;
  lifetimes.note(key, reading.record.expiresAt);
}

/**
 * Watches with inotify(7) for instances that another process deletes, or waits to kill or delete, and for instances with a lifetime that it
 * creates, until the host is disposed. When the system has no watch to spare, the next call on the instance or the next
 * list notices a deletion, and the creating process or the next open ends what has expired.
 */
export function watchInstances(engine: Engine): void {
  const look = (_: string, key: string | null) => {
    try {
      if (!NameSchema.safeParse(key).success || key === null) return;
      const known = engine.instances.get(key);
      known?.record.noticeDeletion();
      known?.lock.heedOthers();
      noteLifetime(engine, key);
    } catch {
      // No descriptor was free to read the record; the next event tries again.
    }
  };
  let watcher: FSWatcher;
  try {
    watcher = watch(engine.layout.instances, { persistent: false }, look);
  } catch {
    return;
  }
  watcher.on("error", () => undefined);
  engine.closing.addEventListener("abort", () => watcher.close(), { once: true });
}
