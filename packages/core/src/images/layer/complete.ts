import { link, lstat, rename, rm, utimes } from "node:fs/promises";
import { ImageError } from "../../errors/all.ts";
import type { Abortable } from "../../flow/abortable.ts";
import { shown } from "../../tar/entry.ts";
import type { Unfinished } from "./layer-tree.ts";

/**
 * Does in an unpacked tree what the unpacker could not. No folder of any path is a symlink of the image.
 */
export async function completeTree(
  image: string,
  tree: string,
  { lowerLinks, replacements, staging }: Unfinished,
  { signal }: Abortable,
): Promise<void> {
  for (const [path, target] of lowerLinks) {
    signal?.throwIfAborted();
    const place = inside(tree, path);
    await keepingTimes(place, async () => {
      await rm(place, { force: true });
      await linkLower(image, target, place, path);
    });
  }
  for (const { path, by } of replacements) {
    signal?.throwIfAborted();
    const place = inside(tree, path);
    await keepingTimes(place, async () => {
      await rm(place, { recursive: true, force: true });
      if (by !== undefined) await rename(inside(tree, by), place);
    });
  }
  if (staging === undefined) return;
  const place = inside(tree, staging);
  await keepingTimes(place, () => rm(place, { recursive: true, force: true }));
}

/** Layers never change, so sharing a file between two is safe. */
async function linkLower(image: string, target: Buffer, place: Buffer, path: string): Promise<void> {
  try {
    await link(target, place);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EMLINK") throw error;
    const why = `${shown(path)} would be one name too many of a file in a layer beneath, for the store's file system`;
    throw new ImageError(image, why, { cause: error });
  }
}

function inside(tree: string, path: string): Buffer {
  return Buffer.concat([Buffer.from(`${tree}/`), Buffer.from(path, "latin1")]);
}

/** Changes something in a folder that keeps its times. */
async function keepingTimes(place: Buffer, change: () => Promise<void>): Promise<void> {
  const folder = place.subarray(0, place.lastIndexOf("/"));
  const { atime, mtime } = await lstat(folder);
  await change();
  await utimes(folder, atime, mtime);
}
