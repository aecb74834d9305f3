import { chmodSync, constants, lchownSync, mkdirSync, openSync, statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { Abortable } from "@pileus/core";
import {
  containedAccess,
  type FileOperations,
  type Idmap,
  idOutside,
  mountOverlay,
  mountsBelow,
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
  for (const folder of [work, upper]) mkdirSync(folder, { mode: 0o700, recursive: true });
  // The root folder shows the owner and mode of the upper folder, so they are copied from the image.
  const top = spec.root.layers.at(-1);
  const image = top === undefined ? { mode: 0o755, uid: 0, gid: 0 } : statSync(top);
  chmodSync(upper, image.mode & 0o7777);
  const idmap = spec.root.mappedOnDisk ? spec.idmap : undefined;
  lchownSync(upper, idOutside(idmap, image.uid), idOutside(idmap, image.gid));
}

/** Mounts the root unless it is mounted. It stays mounted until {@link releaseContainer} or `removeRoot()`. */
export async function openRoot(spec: PlacedSpec, options: Abortable = {}): Promise<OpenRoot> {
  const { lxcpath, root, upper, work, staging } = containerPaths(spec);
  if ((await mountsBelow(root)).length === 0) {
    options.signal?.throwIfAborted();
    makeMountPoint(lxcpath, root, spec.idmap);
    // A user who cannot make device nodes must not be able to use those of an image.
    const nodev = spec.idmap !== undefined;
    const { layers, mappedOnDisk } = spec.root;
    mountOverlay({ layers, upper, work, target: root, staging, idmap: spec.idmap, mapUpper: !mappedOnDisk, nodev });
  }
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
    // rm(1) goes from folder to folder.
    await spawn(["rm", "-rf", "--one-file-system", "--", folder], { fromPackage: "coreutils" });
  }
}

function rootFiles(path: string, idmap: Idmap | undefined): FileOperations {
  const O_PATH = 0o10000000;
  return new LocalFiles(
    containedAccess({ openRoot: () => openSync(path, O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW), idmap }),
  );
}

function makeMountPoint(lxcpath: string, root: string, idmap: Idmap | undefined): void {
  mkdirSync(dirname(lxcpath), { recursive: true, mode: 0o711 });
  mkdirSync(lxcpath, { recursive: true, mode: 0o700 });
  if (idmap !== undefined) {
    lchownSync(lxcpath, 0, idmap.base);
    chmodSync(lxcpath, 0o710);
  }
  mkdirSync(root, { recursive: true, mode: 0o700 });
}
