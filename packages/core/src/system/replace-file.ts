import { randomUUID } from "node:crypto";
import {
  closeSync,
  fsync,
  linkSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeFile,
  writeFileSync,
} from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import type { Abortable } from "../flow/abortable.ts";
import { isDiskFull } from "./disk-full.ts";
import { exchangeNames } from "./syscall.ts";

const sync = promisify(fsync);

/**
 * Replaces a file atomically and durably: after a crash of the machine at any moment the file has all of the old
 * content or all of the new. Writes a temporary file in the same folder, fsyncs it, renames it, and fsyncs the folder.
 * The name of the temporary file is `.<name>.<uuid>.tmp`; a crash can leave one behind.
 */
export async function replaceFile(path: string, content: string | Uint8Array, mode = 0o600): Promise<void> {
  await replaceInOrder(path, content, mode);
  await syncFolder(dirname(path));
}

/**
 * File systems with one log of all changes of names, in their order: what is durable of it makes durable all that came
 * before. ext4 and XFS, linux/magic.h. Not btrfs: its fsync(2) writes a file's own log tree ahead of older changes.
 */
const IN_ORDER: ReadonlySet<number> = new Set([0xef53, 0x58465342]);

/** As {@link replaceFile}, but does not wait until the new name is durable. */
async function replaceInOrder(
  path: string,
  content: string | Uint8Array,
  mode: number,
  { signal }: Abortable = {},
): Promise<void> {
  const folder = dirname(path);
  const temporary = join(folder, `.${basename(path)}.${randomUUID()}.tmp`);
  try {
    await writeNew(temporary, content, mode);
    signal?.throwIfAborted();
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** The longest content, in bytes, that is written in our own thread: that takes less time than the way to another. */
const SHORT = 64 * 1024;

/** Writes a new file, and waits until its content is on the disk. */
async function writeNew(path: string, content: string | Uint8Array, mode: number): Promise<void> {
  const file = openSync(path, "wx", mode);
  try {
    if (content.length <= SHORT) writeFileSync(file, content);
    else await promisify(writeFile)(file, content);
    await sync(file);
  } finally {
    closeSync(file);
  }
}

/**
 * Options of {@link replaceFileOnFullDisk}. An abort leaves the file as it is, unless it already has the new content: a
 * disk can take longer than the caller has the right to change the file.
 */
export interface ReplaceOptions extends Abortable {
  /**
   * Whether to wait only until the change is in order: after a crash of the machine it may be missing, but then so is
   * every later change of names in the same file system. A file system that may not keep that order (btrfs) gets a durable
   * change. Default: it is durable.
   */
  readonly orderOnly?: boolean | undefined;
}

/**
 * As {@link replaceFile}, but also on a full disk: a spare file, `.<name>.spare`, reserves the space and the inode for
 * the next content while there is room. Only for one process at a time, and for a text that spaces may follow: the file
 * is filled up with them, because it becomes the spare when the spare takes its place. Removes the temporary files of earlier
 * calls that a crash has cut short.
 */
export async function replaceFileOnFullDisk(
  path: string,
  content: string,
  { orderOnly = false, signal }: ReplaceOptions = {},
): Promise<void> {
  const folder = dirname(path);
  const spare = spareOf(path);
  const text = filled(content, roomFor(content));
  signal?.throwIfAborted();
  removeLeftBehind(path);
  try {
    await replaceInOrder(path, text, 0o600, { signal });
    if (!orderOnly || !IN_ORDER.has(statfsSync(folder).type)) await syncFolder(folder);
  } catch (error) {
    const room = sizeIfThere(spare);
    if (!isDiskFull(error) || room < Buffer.byteLength(content)) throw error;
    signal?.throwIfAborted();
    await overwrite(spare, filled(content, room));
    signal?.throwIfAborted();
    putInPlace(spare, path);
    await syncFolder(folder);
  }
  await reserveReplacement(path, content);
}

/** One of a caller that has just lost its right to change the file may be among them: that one's signal has aborted. */
function removeLeftBehind(path: string): void {
  const [folder, before] = [dirname(path), `.${basename(path)}.`];
  for (const name of readdirSync(folder))
    if (name.startsWith(before) && TEMPORARY.test(name.slice(before.length)))
      rmSync(join(folder, name), { force: true });
}

/** The rest of the name of a temporary file: a uuid. */
const TEMPORARY = /^[0-9a-f-]{36}\.tmp$/;

/** Gives the spare the name of the file, and the file that of the spare. */
export function putInPlace(spare: string, path: string, exchange = exchangeNames): void {
  try {
    // Better than a rename: ext4 gives the space of a removed file back only later.
    exchange(spare, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EINVAL") throw error;
    exchangeByLink(spare, path);
  }
}

/**
 * For file systems that cannot exchange names (NFS, ZFS, FUSE: renameat2(2), EINVAL). Without hard links too, the file is
 * gone, and there is no spare until there is room for one.
 */
function exchangeByLink(spare: string, path: string): void {
  const kept = `${spare}.old`;
  // That of a process that was killed between the steps.
  rmSync(kept, { force: true });
  try {
    linkSync(path, kept);
  } catch {
    renameSync(spare, path);
    return;
  }
  renameSync(spare, path);
  renameSync(kept, spare);
}

/**
 * Writes over a file, which already has its disk space, and waits until that is on the disk. Opened and written in one
 * go: a moment later, another process may have given the spare the name of the file.
 */
async function overwrite(path: string, content: string): Promise<void> {
  const file = openSync(path, "r+");
  try {
    writeFileSync(file, content);
    await sync(file);
  } finally {
    closeSync(file);
  }
}

/** Makes the spare file of {@link replaceFileOnFullDisk} for the next content, if there is room. */
export async function reserveReplacement(path: string, content: string): Promise<void> {
  const [spare, room] = [spareOf(path), roomFor(content)];
  if (sizeIfThere(spare) >= room) return;
  try {
    // Appended: a shorter spare stays if there is no room for a longer one.
    await withFile(spare, "a", 0o600, async (file) => file.write(" ".repeat(room - (await file.stat()).size)));
  } catch (error) {
    // The next write with enough room goes on.
    if (!isDiskFull(error)) throw error;
  }
}

function spareOf(path: string): string {
  return join(dirname(path), `.${basename(path)}.spare`);
}

/** The block size of most file systems, and how many bytes a content may be longer than the one before. */
const [BLOCK, GROWTH] = [4096, 1024];

/** How many bytes a file with this content, and its spare, have. */
function roomFor(content: string): number {
  return Math.ceil((Buffer.byteLength(content) + GROWTH) / BLOCK) * BLOCK;
}

function filled(content: string, room: number): string {
  return content + " ".repeat(Math.max(0, room - Buffer.byteLength(content)));
}

function sizeIfThere(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** Makes the names in a folder durable: fsync(2) on the folder itself. */
export async function syncFolder(folder: string): Promise<void> {
  const file = openSync(folder, "r");
  try {
    await sync(file);
  } finally {
    closeSync(file);
  }
}

async function withFile(
  path: string,
  flags: string,
  mode: number,
  use: (file: FileHandle) => Promise<unknown>,
): Promise<void> {
  const file = await open(path, flags, mode);
  try {
    await use(file);
  } finally {
    await file.close();
  }
}
