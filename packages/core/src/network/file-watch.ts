import type { EventEmitter } from "node:events";
import { type FSWatcher, unwatchFile, watch, watchFile } from "node:fs";

/** Reports of the changes of one file. */
export interface FileWatch {
  /** Emits `change`. */
  readonly events: EventEmitter;
  close(): void;
}

/** How often a file is looked at where nobody reports its changes, in milliseconds. */
const INTERVAL = 50;

/**
 * Watches a file by inotify(7), or, where the user has none left, by looking at it again and again: what frees some, as
 * the deletion of an instance, must not need one. A process may watch a file in this way once at a time.
 */
export function openFileWatch(path: string, open: (path: string) => FSWatcher = watch): FileWatch {
  try {
    const events = open(path);
    return { events, close: () => events.close() };
  } catch (error) {
    // inotify_init1(2): EMFILE. inotify_add_watch(2): ENOSPC.
    if (!["EMFILE", "ENOSPC"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    const events = watchFile(path, { interval: INTERVAL }, () => undefined);
    return { events, close: () => unwatchFile(path) };
  }
}
