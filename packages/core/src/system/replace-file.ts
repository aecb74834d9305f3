import { randomUUID } from "node:crypto";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/**
 * Replaces a file atomically and durably: after a crash of the machine at any moment the old content is there or the
 * new one, whole. Writes beside it, fsyncs, renames, fsyncs the folder. The temporary file's name is
 * `.<name>.<uuid>.tmp`; a crash can leave one behind.
 */
export async function replaceFile(path: string, content: string | Uint8Array, mode = 0o600): Promise<void> {
  const folder = dirname(path);
  const temporary = join(folder, `.${basename(path)}.${randomUUID()}.tmp`);
  try {
    await withFile(temporary, "wx", mode, async (file) => {
      await file.writeFile(content);
      await file.sync();
    });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(folder);
}

/** Makes the names in a folder durable: fsync(2) on the folder itself. */
export async function syncFolder(folder: string): Promise<void> {
  await withFile(folder, "r", undefined, (file) => file.sync());
}

async function withFile(
  path: string,
  flags: string,
  mode: number | undefined,
  use: (file: FileHandle) => Promise<void>,
): Promise<void> {
  const file = await open(path, flags, mode);
  try {
    await use(file);
  } finally {
    await file.close();
  }
}
