import { type FSWatcher, watch } from "node:fs";
import type { Engine } from "./engine.ts";

/**
 * Tells of instances that another process deletes, by inotify(7), until the host is disposed of. Where the host has no
 * watch to spare, the next look at the instance, or at the list of all, tells.
 */
export function watchDeletions(engine: Engine): void {
  const look = (_: string, name: string | null) => {
    try {
      engine.instances.get(name ?? "")?.noticeDeletion();
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
