import { randomUUID } from "node:crypto";
import { closeSync, fsync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";

const sync = promisify(fsync);

/**
 * Replaces a file atomically and durably: after a crash of the machine at any moment the old content is there or the
 * new one, whole. Writes beside it, fsyncs, renames, fsyncs the folder. The temporary file's name is
 * `.<name>.<uuid>.tmp`; a crash can leave one behind.
 *
 * Only what waits for the disk goes through the thread pool: of small content all the rest costs less than one trip.
 */
export async function replaceFile(path: string, content: string | Uint8Array, mode = 0o600): Promise<void> {
  const folder = dirname(path);
  const temporary = join(folder, `.${basename(path)}.${randomUUID()}.tmp`);
  try {
    await withFile(temporary, "wx", mode, async (fd) => {
      writeFileSync(fd, content);
      await sync(fd);
    });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  await syncFolder(folder);
}

/** Makes the names in a folder durable: fsync(2) on the folder itself. */
export async function syncFolder(folder: string): Promise<void> {
  await withFile(folder, "r", undefined, sync);
}

async function withFile(
  path: string,
  flags: string,
  mode: number | undefined,
  use: (fd: number) => Promise<void>,
): Promise<void> {
  const fd = openSync(path, flags, mode);
  try {
    await use(fd);
  } finally {
    closeSync(fd);
  }
}
