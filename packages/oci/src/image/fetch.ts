import { truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { ImageError, type ProgressOptions } from "@pileus/core";
import type { Spawn } from "@pileus/core/driver";
import { makeFolders } from "@pileus/core/driver";
import { FetchProgress } from "./fetch-progress.ts";
import { OciLayout } from "./layout.ts";
import { assertFetched, MAX_DOCUMENT } from "./manifest.ts";
import { renderReference } from "./reference.ts";
import type { SelectedImage } from "./select.ts";
import { renderCopy, runSkopeo, type SkopeoContext } from "./skopeo.ts";

/**
 * Opens layers of an image by number, bottom first. The first call fetches that layer and all above it with one skopeo;
 * the layers below are then in the store. An image whose layers are all in the store is not fetched at all.
 */
export function fetchLayers(
  spawn: Spawn,
  context: SkopeoContext,
  image: SelectedImage,
  options: ProgressOptions,
): (index: number) => Promise<Readable> {
  const name = renderReference(context.reference);
  assertFetched(name, image.manifest.layers);
  const tooLong = image.manifest.layers.findIndex(({ size }) => size > context.maxBytes);
  if (tooLong !== -1)
    throw new ImageError(name, `layer ${tooLong} has more than ${context.maxBytes} bytes, the limit for a layer`);
  const layout = new OciLayout(join(context.folder, "layout"), name);
  let fetched: Promise<void> | undefined;
  return async (index) => {
    fetched ??= fetchFrom(spawn, context, image, index, options);
    await fetched;
    const layer = image.manifest.layers[index];
    if (layer === undefined) throw new RangeError(`no layer ${index}`);
    return layout.stream(layer);
  };
}

async function fetchFrom(
  spawn: Spawn,
  context: SkopeoContext,
  image: SelectedImage,
  first: number,
  options: ProgressOptions,
): Promise<void> {
  const blobs = join(context.folder, "layout", "blobs", "sha256");
  makeFolders(blobs);
  const needed = new Map(image.manifest.layers.slice(first).map(({ digest, size }) => [digest, size]));
  // An image can have the same layer twice: a layer that is needed above stays needed.
  const present = image.manifest.layers.slice(0, first).filter(({ digest }) => !needed.has(digest));
  for (const { digest, size } of present) {
    // Skopeo reuses a blob that is there without a check (containers/image, oci_dest.go, TryReusingBlob), so an empty
    // file of the right size saves its transfer. The file is never read: the store has the layer.
    const path = join(blobs, digest.slice("sha256:".length));
    await writeFile(path, "");
    await truncate(path, size);
  }
  const { onProgress, signal } = options;
  const fromRegistry = context.reference.transport === "docker";
  const copy = () => {
    const digest = fromRegistry ? image.digest : undefined;
    // Skopeo first unpacks a compressed archive to one file. A registry may send no more than its manifest says.
    const maxFile = fromRegistry ? Math.max(MAX_DOCUMENT, ...needed.values()) : context.maxBytes;
    return runSkopeo(spawn, context, renderCopy(context, { digest }), { signal, maxFile });
  };
  if (onProgress === undefined) return void (await copy());
  using progress = new FetchProgress(join(context.folder, "layout"), {
    total: [...needed.values()].reduce((sum, size) => sum + size, 0),
    ignored: new Set(present.map(({ digest }) => digest.slice("sha256:".length))),
    onProgress,
  });
  await copy();
  progress.finish();
}
