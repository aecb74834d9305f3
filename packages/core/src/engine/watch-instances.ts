import { type FSWatcher, watch } from "node:fs";
import { NameSchema } from "../model/name.ts";
import type { Engine } from "./engine.ts";

/** Takes note of when an instance expires, as far as it is one that this host can end. */
export function noteLifetime({ records, drivers, lifetimes }: Engine, name: string): void {
  const reading = records.read(name);
  if (reading.kind !== "record" || reading.record.phase !== "ready" || !drivers.has(reading.record.config.driver))
    return;
  lifetimes.note(name, reading.record.expiresAt);
}

/**
 * Learns by inotify(7) of instances that another process deletes, and of those with a lifetime that it creates, until
 * the host is disposed of. Where the host has no watch to spare, a deletion is told by the next look at the instance or
 * at the list of all, and what has expired is ended by the process that made it or by the next open.
 */
export function watchInstances(engine: Engine): void {
  const look = (_: string, name: string | null) => {
    try {
      if (!NameSchema.safeParse(name).success || name === null) return;
      engine.instances.get(name)?.noticeDeletion();
      noteLifetime(engine, name);
    } catch {
      // No descriptor to spare for a look: the next one tells.
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
