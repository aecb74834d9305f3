import { createHash } from "node:crypto";
import { access, mkdtemp, open, readdir, rename, rm, stat, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Abortable } from "@pileus/core";
import { acquireLock, hostFailure, makeFolders, type Spawn, type SpawnOptions, spawn } from "@pileus/core/driver";
import { RUNTIME_DRIVE_FILESYSTEM } from "../guest-setup/paths.ts";
import { findRuntimeFiles, type RuntimeFile } from "./runtime-files.ts";
import { canTryNode, layOut, tryNode } from "./try-node.ts";

/** Options of {@link buildRuntimeDrive}. */
export interface RuntimeDriveOptions extends Abortable {
  /** The folder of the drives; made if it is missing. Hosts and processes can share it. */
  readonly folder: string;
  /** The path of the Node binary that runs the agent. Default: the one that runs this process. */
  readonly node?: string | undefined;
  /** Runs the tools of the host; for tests. */
  readonly spawn?: Spawn | undefined;
}

const TEMPORARY = ".runtime-";

/**
 * How many drives are kept, so that several versions of Node or of this package can share a folder without rebuilding
 * their drives each time.
 */
const MAX_DRIVES = 3;

const DRIVE = new RegExp(`^runtime-[0-9a-f]{24}\\.${RUNTIME_DRIVE_FILESYSTEM}$`);

// To be changed whenever the same files would make a different drive.
const LAYOUT = "2";

/**
 * Returns the path of a read-only disk image that carries the agent and everything it needs into any Linux guest.
 * Builds it unless a drive of exactly the same files is there. Of concurrent calls, one builds and the others wait. A
 * build that fails or is aborted leaves no files; the next build removes the files of a killed one. A drive has about
 * 105 MB, uncompressed: see docs/design/0004. A build keeps three drives, the new one and the two that were used last.
 * A running machine has its drive open, so the removal does not affect it.
 *
 * As root, it first runs Node with nothing but the files of the drive, so that a Node that cannot run the agent is refused
 * here, and not by each guest.
 *
 * @throws {HostError} naming what is missing and how to get it.
 */
export async function buildRuntimeDrive(options: RuntimeDriveOptions): Promise<string> {
  const { folder, signal, node, spawn: run = spawn } = options;
  signal?.throwIfAborted();
  const files = await findRuntimeFiles({ signal, node, spawn: run });
  const target = await driveOf(files, folder);
  if (await isThere(target)) return target;
  makeFolders(folder, 0o700);
  await using lock = await acquireLock(join(folder, "runtime.lock"), { signal });
  if (await isThere(target)) return target;
  await removeLeftovers(folder);
  await removeOldDrives(folder);
  const scratch = await mkdtemp(join(folder, TEMPORARY));
  try {
    // After a crash the next process removes the scratch folder: no leftover tool may write to it then.
    const options = { diesWithUs: true, descriptors: [lock.descriptor], signal };
    await rename(await build(files, scratch, run, options), target);
  } catch (error) {
    throw hostFailure("build the agent's runtime drive", error);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return target;
}

/** What {@link tryRuntimeDrive} needs: options of {@link buildRuntimeDrive}, without a folder if none is known yet. */
export interface RuntimeTrialOptions extends Omit<RuntimeDriveOptions, "folder"> {
  readonly folder?: string | undefined;
}

/**
 * Tries whether the agent runs with nothing but the files of the drive, as in a guest, without building the drive. If
 * root has built it in the folder before, it does. Leaves no files.
 *
 * @returns `false` if it could not be tried, because this process is not root.
 * @throws {HostError} naming what is missing, or why the agent does not run.
 */
export async function tryRuntimeDrive(options: RuntimeTrialOptions): Promise<boolean> {
  const { folder, signal, node, spawn: run = spawn } = options;
  signal?.throwIfAborted();
  const files = await findRuntimeFiles({ signal, node, spawn: run });
  if (!canTryNode()) return false;
  if (folder !== undefined && (await isPresent(await driveOf(files, folder)))) return true;
  const scratch = await mkdtemp(join(tmpdir(), "pileus-runtime-"));
  try {
    await layOut(files, scratch, signal);
    await tryNode(scratch, files, run, { diesWithUs: true, signal });
  } catch (error) {
    throw hostFailure("try the agent's runtime drive", error);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return true;
}

/** The path of the drive of exactly these files, whether it is there or not. */
export async function driveOf(files: readonly RuntimeFile[], folder: string): Promise<string> {
  return join(folder, `runtime-${await identify(files)}.${RUNTIME_DRIVE_FILESYSTEM}`);
}

// Identifies files by what always changes when a package manager replaces them: to read 100 MB at each start would cost
// more than it is worth.
async function identify(files: readonly RuntimeFile[]): Promise<string> {
  const hash = createHash("sha256").update(LAYOUT);
  for (const { path, source } of files) {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(source, { bigint: true });
    hash.update(`\0${[path, source, dev, ino, size, mtimeNs, ctimeNs].join("\0")}`);
  }
  return hash.digest("hex").slice(0, 24);
}

async function build(
  files: readonly RuntimeFile[],
  scratch: string,
  run: Spawn,
  options: SpawnOptions,
): Promise<string> {
  const tree = join(scratch, "tree");
  await layOut(files, tree, options.signal);
  if (canTryNode()) await tryNode(tree, files, run, options);
  const image = join(scratch, "image");
  const uncompressed = ["-noI", "-noD", "-noF", "-noX"];
  const plain = ["-all-root", "-no-xattrs", "-no-exports", "-no-progress", "-quiet"];
  await run(["mksquashfs", tree, image, ...uncompressed, ...plain], { ...options, fromPackage: "squashfs-tools" });
  const file = await open(image, "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
  return image;
}

async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name.startsWith(TEMPORARY)) await rm(join(folder, name), { recursive: true, force: true });
  }
}

// Called before the new drive is made, which may need the space.
async function removeOldDrives(folder: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => DRIVE.test(name));
  const drives = await Promise.all(
    names.map(async (name) => ({ path: join(folder, name), asked: (await stat(join(folder, name))).mtimeMs })),
  );
  drives.sort((a, b) => b.asked - a.asked);
  for (const { path } of drives.slice(MAX_DRIVES - 1)) await rm(path, { force: true });
}

/** Whether a drive is there. If so, marks it as the one that was used last. */
async function isThere(path: string): Promise<boolean> {
  const now = new Date();
  try {
    await utimes(path, now, now);
    return true;
  } catch {
    // A drive on a read-only file system can still be used.
    return isPresent(path);
  }
}

async function isPresent(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
