import { randomUUID } from "node:crypto";
import { type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { isDiskFull } from "./disk-full.ts";

/**
 * Replaces a file atomically and durably: after a crash of the machine at any moment the file has all of the old
 * content or all of the new. Writes a temporary file in the same folder, fsyncs it, renames it, and fsyncs the folder.
 * The name of the temporary file is `.<name>.<uuid>.tmp`; a crash can leave one behind.
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

/**
 * As {@link replaceFile}, but also on a full disk: a spare file, `.<name>.spare`, reserves the space and the inode for
 * the next content while there is room. Only for one process at a time.
 */
export async function replaceFileOnFullDisk(path: string, content: string): Promise<void> {
  const folder = dirname(path);
  const spare = join(folder, `.${basename(path)}.spare`);
  const size = Buffer.byteLength(content);
  try {
    await replaceFile(path, content);
  } catch (error) {
    if (!isDiskFull(error) || ((await sizeIfThere(spare)) ?? 0) < size) throw error;
    // In place: the file already has its disk space.
    await withFile(spare, "r+", undefined, async (file) => {
      await file.write(content, 0);
      await file.truncate(size);
      await file.sync();
    });
    await rename(spare, path);
    await syncFolder(folder);
  }
  await makeSpare(spare, Math.ceil((size + GROWTH) / BLOCK) * BLOCK);
}

/** The block size of most file systems, and how many bytes a content may be longer than the one before. */
const [BLOCK, GROWTH] = [4096, 1024];

async function makeSpare(spare: string, size: number): Promise<void> {
  if (((await sizeIfThere(spare)) ?? 0) >= size) return;
  try {
    await withFile(spare, "w", 0o600, (file) => file.writeFile(Buffer.alloc(size, " ")));
  } catch (error) {
    // A partial spare is useless. The next write with enough room creates one.
    await rm(spare, { force: true });
    if (!isDiskFull(error)) throw error;
  }
}

async function sizeIfThere(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
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
