import { type Dirent, lstatSync } from "node:fs";
import { lstat, mkdir, readdir, rm, unlink, utimes } from "node:fs/promises";
import type { Abortable } from "../flow/abortable.ts";
import { spawn } from "../system/spawn.ts";
import { lremovexattr } from "../system/syscall.ts";
import type { LayerFolder } from "./layer/lower-layers.ts";

/**
 * Copies layers, bottom first, into the new folder `target`, as the tree that an overlay of them would show. Its tools
 * inherit the open files `descriptors`.
 */
export async function mergeLayers(
  layers: readonly LayerFolder[],
  target: string,
  { signal, descriptors }: Abortable & { readonly descriptors: readonly number[] },
): Promise<void> {
  await mkdir(target);
  for (const layer of layers) {
    const whiteouts = await clearTheWay(layer, target, { signal });
    // Removed first, because writing to a file in place would write to all its hard links.
    const copy = ["cp", "--archive", "--reflink=auto", "--remove-destination", "--", `${layer.tree}/.`, target];
    await spawn(copy, { fromPackage: "coreutils", diesWithUs: true, descriptors, signal });
    for (const { place, folder } of whiteouts) {
      await unlink(place);
      const { atime, mtime } = await lstat(folder.from);
      await utimes(folder.to, atime, mtime);
    }
    for (const path of layer.opaque) {
      // The layer has something else than a folder there only if a later entry of its archive said so.
      const place = inside(target, Buffer.from(path, "latin1"));
      if (lstatSync(place, { throwIfNoEntry: false })?.isDirectory()) lremovexattr(place, "trusted.overlay.opaque");
    }
  }
}

interface Whiteout {
  /** The place of its copy. */
  readonly place: Buffer;
  readonly folder: { readonly from: Buffer; readonly to: Buffer };
}

/**
 * Removes from `target` what the layer hides or replaces by another kind of file. Returns the layer's whiteouts,
 * because the copy includes them.
 */
async function clearTheWay(layer: LayerFolder, target: string, { signal }: Abortable): Promise<Whiteout[]> {
  const opaque = new Set(layer.opaque);
  const whiteouts: Whiteout[] = [];
  const todo: { readonly from: Buffer; readonly to: Buffer; readonly path: string }[] = [
    { from: Buffer.from(layer.tree), to: Buffer.from(target), path: "" },
  ];
  for (let folder = todo.pop(); folder !== undefined; folder = todo.pop()) {
    signal?.throwIfAborted();
    const entries = (await readdir(folder.from, {
      withFileTypes: true,
      encoding: "buffer",
    })) as unknown as Dirent<Buffer>[];
    for (const entry of entries) {
      const to = inside(folder.to, entry.name);
      const path = `${folder.path === "" ? "" : `${folder.path}/`}${entry.name.toString("latin1")}`;
      if (entry.isDirectory()) {
        // A folder that stays is never a symlink, so everything beneath it is in the target.
        const there = lstatSync(to, { throwIfNoEntry: false });
        if (there !== undefined && (!there.isDirectory() || opaque.has(path))) await remove(to);
        todo.push({ from: inside(folder.from, entry.name), to, path });
        continue;
      }
      if (entry.isCharacterDevice()) whiteouts.push({ place: to, folder });
      if (lstatSync(to, { throwIfNoEntry: false })?.isDirectory() || entry.isCharacterDevice()) await remove(to);
    }
  }
  return whiteouts;
}

function remove(path: Buffer): Promise<void> {
  return rm(path, { recursive: true, force: true });
}

function inside(folder: string | Buffer, name: Buffer): Buffer {
  return Buffer.concat([typeof folder === "string" ? Buffer.from(folder) : folder, Buffer.from("/"), name]);
}
