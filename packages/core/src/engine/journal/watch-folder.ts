import { type FSWatcher, watch } from "node:fs";

/** A report of each change in a folder. */
export interface FolderWatch {
  /** Why there are no reports; `undefined` when there are. */
  readonly failure: string | undefined;
  /** Whether it keeps the process alive. Not at first. */
  keepAlive(alive: boolean): void;
  close(): void;
}

/**
 * Calls `changed` after each change in a folder: inotify(7). A report that the kernel drops because its queue is full
 * loses nothing for a listener that reads everything at each report: the last one of the full queue is still to come.
 */
export function watchFolder(folder: string, changed: () => void): FolderWatch {
  let failure: string | undefined;
  let watcher: FSWatcher | undefined;
  const fail = (error: unknown) => {
    failure = error instanceof Error ? error.message : String(error);
  };
  try {
    watcher = watch(folder, { persistent: false }, changed);
    watcher.on("error", fail);
  } catch (error) {
    fail(error);
  }
  return {
    get failure() {
      return failure;
    },
    keepAlive(alive) {
      if (alive) watcher?.ref();
      else watcher?.unref();
    },
    close: () => watcher?.close(),
  };
}
