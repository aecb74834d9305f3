import { closeSync, fstatSync, openSync, watch } from "node:fs";
import { LOG_KEPT } from "../keeper/log/open.ts";
import { punchHole } from "../system/descriptor.ts";

/** The delay before a log that has changed is looked at, in milliseconds. */
const DELAY = 1000;

/**
 * Keeps a log that another process writes from filling the disk, until the returned function is called: about a second
 * after the log has grown beyond twice {@link LOG_KEPT}, all but its end is freed on disk. The writer notices nothing,
 * and the size of the file stays, so no byte is lost that is written meanwhile. `logs()` reads what is kept.
 * Several processes may do so at once. A log that is missing, or whose file system has no holes, is left alone.
 */
export function boundLog(path: string, delay = DELAY): () => void {
  let timer: NodeJS.Timeout | undefined;
  let left = false;
  // One event a second at most: a busy writer causes one for each line.
  const look = () => {
    // Undefined if the log is gone, or the host has no free watch.
    const events = attempt(() => watch(path, { persistent: false }, plan));
    events?.on("error", () => undefined);
    attempt(() => trimLog(path));
    stop = () => events?.close();
  };
  let stop = () => {};
  const plan = () => {
    stop();
    if (!left) timer = setTimeout(look, delay).unref();
  };
  look();
  return () => {
    left = true;
    stop();
    clearTimeout(timer);
  };
}

function trimLog(path: string): void {
  const fd = openSync(path, "r+");
  try {
    const { size, blocks } = fstatSync(fd);
    // stat(2): blocks of 512 bytes, whatever the block size of the file system.
    if (blocks * 512 > 2 * LOG_KEPT) punchHole(fd, size - LOG_KEPT);
  } finally {
    closeSync(fd);
  }
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
