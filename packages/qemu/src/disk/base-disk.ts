import { open, rename, rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { type Image, ImageError, isInstanceError, type ProgressOptions } from "@pileus/core";
import { acquireLock, hostFailure, isDiskFull, type Lock, makeFolders, type Spawn } from "@pileus/core/driver";
import { TOOLS } from "../tools.ts";

export interface BaseDisk {
  /** The folder of all bases; made if it is missing. */
  readonly folder: string;
  readonly image: Image;
  /** The image's files, merged into one tree. Called only where the base must be made. */
  readonly tree: () => Promise<string>;
  /** Bytes of the file system that a guest sees. */
  readonly size: number;
  readonly spawn: Spawn;
}

/** The path of the file system that the root disks of this image and size are copies of. */
export function baseDiskPath({ folder, image, size }: Pick<BaseDisk, "folder" | "image" | "size">): string {
  return join(folder, `${image.fingerprint.replace(":", "-")}-${size}.ext4`);
}

/**
 * Makes the file system that all root disks of one image and size are copies of, if it is missing: a sparse raw ext4,
 * made from the tree by mke2fs(8) without a mount. A file in place is complete. Concurrent calls, from several
 * processes too, make it once.
 *
 * @throws {ImageError} when the tree does not fit.
 */
export async function ensureBaseDisk(base: BaseDisk, options: ProgressOptions): Promise<string> {
  const { folder, image, size } = base;
  const { signal } = options;
  const path = baseDiskPath(base);
  const name = basename(path, ".ext4");
  if (await isWhole(path, size)) return path;
  makeFolders(folder, 0o700);
  await using lock = await acquireLock(join(folder, `${name}.lock`), { signal });
  if (await isWhole(path, size)) return path;
  const draft = join(folder, `.${name}.draft`);
  // Left by a process that was killed: only the holder of the lock writes it.
  await rm(draft, { force: true });
  try {
    await make(base, draft, lock, options);
    await rename(draft, path);
    return path;
  } catch (error) {
    throw hostFailure(`make the root disk of image ${image.fingerprint}`, error);
  } finally {
    await rm(draft, { force: true });
  }
}

async function make(base: BaseDisk, draft: string, lock: Lock, options: ProgressOptions): Promise<void> {
  const { image, size } = base;
  options.onProgress?.({ phase: "make root disk", done: 0, total: image.size });
  const tree = await base.tree();
  const file = await open(draft, "wx", 0o600);
  try {
    await file.truncate(size);
    await makeFileSystem({ base, tree, draft, lock }, options);
    await file.sync();
  } finally {
    await file.close();
  }
  options.onProgress?.({ phase: "make root disk", done: image.size, total: image.size });
}

async function makeFileSystem(
  what: { readonly base: BaseDisk; readonly tree: string; readonly draft: string; readonly lock: Lock },
  { signal }: ProgressOptions,
): Promise<void> {
  const { base, tree, draft, lock } = what;
  // -m 0 reserves no blocks for root, the only user of the disk. Each overlay belongs to one guest, so it does no harm
  // that all have the same UUID.
  const argv = ["mkfs.ext4", "-q", "-F", "-m", "0", "-L", "root", "-d", tree, draft];
  try {
    // After a crash the next process makes the draft again: no leftover mkfs may write to it then.
    const descriptors = [lock.descriptor];
    await base.spawn(argv, { fromPackage: TOOLS["mkfs.ext4"], diesWithUs: true, descriptors, signal });
  } catch (error) {
    if (!isInstanceError(error, "ERR_COMMAND") || isDiskFull(error)) throw error;
    const why = `cannot be made into a root disk of ${base.size} bytes (raise qemu.rootSize if it is too small)`;
    throw new ImageError(base.image.fingerprint, why, { cause: error });
  }
}

/** A disk of another size was truncated by some other program, and is made again. */
async function isWhole(path: string, size: number): Promise<boolean> {
  try {
    return (await stat(path)).size === size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}
