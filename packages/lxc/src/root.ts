import { chmodSync, closeSync, constants, lchownSync, openSync, statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { Abortable } from "@pileus/core";
import {
  containedAccess,
  type FileOperations,
  type Idmap,
  makeFolders,
  mountOverlay,
  mountsBelow,
  ownerOutside,
  shareMount,
  spawn,
  unmountBelow,
} from "@pileus/core/driver";
import { LocalFiles } from "@pileus/core/files";
import { removeEmptyFolder } from "./empty-folder.ts";
import { requireRoot } from "./host-facts.ts";
import { containerPaths, type PlacedSpec } from "./paths.ts";

/** A mounted root, before its PID 1 starts and while it runs. */
export interface OpenRoot {
  /** The path on the host. Use only `files` to reach into it: the instance controls its symlinks. */
  readonly path: string;
  readonly files: FileOperations;
}

/**
 * Makes the empty writable part of a root. The time does not depend on the size of the image.
 *
 * @throws {HostError} unless this process is root; then nothing is made.
 */
export function makeRoot(spec: PlacedSpec): void {
  requireRoot();
  const { upper, work } = containerPaths(spec);
  for (const folder of [work, upper]) makeFolders(folder, 0o700);
  // The root folder shows the owner and mode of the upper folder, so they are copied from the image.
  const top = spec.root.layers.at(-1);
  const image = top === undefined ? { mode: 0o755, uid: 0, gid: 0 } : statSync(top);
  chmodSync(upper, image.mode & 0o7777);
  const idmap = spec.root.mappedOnDisk ? spec.idmap : undefined;
  const owner = ownerOutside(idmap, image);
  lchownSync(upper, owner.uid, owner.gid);
}

/** Mounts the root on its mount point unless it is mounted. It stays mounted until {@link releaseContainer} or `removeRoot()`. */
export async function openRoot(spec: PlacedSpec, options: Abortable = {}): Promise<OpenRoot> {
  const { root, upper, work, staging } = containerPaths(spec);
  if ((await mountsBelow(root)).length === 0) {
    options.signal?.throwIfAborted();
    // A user who cannot make device nodes must not be able to use those of an image.
    const nodev = spec.idmap !== undefined;
    const { layers, mappedOnDisk } = spec.root;
    mountOverlay({ layers, upper, work, target: root, staging, idmap: spec.idmap, mapUpper: !mappedOnDisk, nodev });
  }
  // liblxc starts the container with a copy, which gets the disks that are attached here while it runs. Whoever mounted it
  // may have been killed before this.
  shareMount(root);
  return { path: root, files: rootFiles(root, spec.idmap) };
}

/** Unmounts the root. Idempotent. */
export async function closeRoot(spec: PlacedSpec): Promise<void> {
  const { root, staging } = containerPaths(spec);
  for (const folder of [root, staging]) await unmountBelow(folder);
  removeEmptyFolder(root);
}

/** Unmounts and removes everything that {@link makeRoot} made. Idempotent. No process may run on it. */
export async function removeRoot(spec: PlacedSpec): Promise<void> {
  await closeRoot(spec);
  await removeFolder(spec.root.folder);
}

/** Root inside may have nested folders beyond the longest path, and `node:fs` goes by paths. */
async function removeFolder(folder: string): Promise<void> {
  try {
    await rm(folder, { recursive: true, force: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENAMETOOLONG") throw error;
    // rm(1) goes from folder to folder. Nobody may find the folder there and use it while it does so without us.
    await spawn(["rm", "-rf", "--one-file-system", "--", folder], { fromPackage: "coreutils", diesWithUs: true });
  }
}

function rootFiles(path: string, idmap: Idmap | undefined): FileOperations {
  const O_PATH = 0o10000000;
  return new LocalFiles(
    containedAccess({ openRoot: () => openSync(path, O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW), idmap }),
  );
}

/** Makes the folder of a run, which only root and the container's own root may enter, with the mount point of its root. */
export function makeMountPoint(spec: PlacedSpec): void {
  const { lxcpath, releaseLock, root } = containerPaths(spec);
  const { idmap } = spec;
  makeFolders(dirname(lxcpath), 0o711);
  // For the release, which must also be possible when no file can be made any more.
  closeSync(openSync(releaseLock, constants.O_CREAT | constants.O_NOFOLLOW, 0o600));
  makeFolders(lxcpath, 0o700);
  if (idmap !== undefined) {
    lchownSync(lxcpath, 0, idmap.base);
    chmodSync(lxcpath, 0o710);
  }
  makeFolders(root, 0o700);
}
