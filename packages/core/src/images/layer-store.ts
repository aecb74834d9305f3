import { createHash } from "node:crypto";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { ImageError } from "../errors/all.ts";
import { type Layer, LayerSchema } from "../model/image.ts";
import { makeFolders } from "../system/make-folders.ts";
import { replaceFile, syncFolder } from "../system/replace-file.ts";
import { readSmallJson } from "../system/small-file.ts";
import type { LayerFolder } from "./layer/lower-layers.ts";

/** `layer.json`, beside a layer's tree. */
const StoredLayerSchema = z.looseObject({
  ...LayerSchema.shape,
  /** Entries of the tar. */
  entries: z.number().int(),
  /** Device nodes that were left out. */
  devices: z.number().int(),
  /** Folders with overlayfs' opaque mark: byte strings, one character a byte. */
  opaque: z.array(z.string()),
});
export type StoredLayer = z.output<typeof StoredLayerSchema>;

/**
 * The chain ID of a layer on its parents (OCI image-spec, config.md, "Layer ChainID"). A `literal` layer, whose `.wh.`
 * names are files, is another tree than a layer of the same bytes that hides something, so it has another ID.
 */
export function chainId(parent: string | undefined, diffId: string, literal = false): string {
  if (parent === undefined && !literal) return diffId;
  const chain = [parent ?? "", diffId, ...(literal ? ["literal"] : [])].join(" ");
  return `sha256:${createHash("sha256").update(chain).digest("hex")}`;
}

export function hexOf(digest: string): string {
  return digest.slice("sha256:".length);
}

/** Writes the description of an unpacked layer beside its tree. */
export async function describeLayer(folder: string, layer: StoredLayer): Promise<void> {
  await replaceFile(join(folder, "layer.json"), `${JSON.stringify(layer)}\n`);
}

/** The layers in a store: folders by chain ID, each complete or absent. */
export class LayerStore {
  readonly folder: string;
  constructor(folder: string) {
    this.folder = folder;
  }

  place(chain: string): string {
    return join(this.folder, hexOf(chain));
  }

  tree(chain: string): string {
    return join(this.place(chain), "tree");
  }

  /** @throws {ImageError} that names the file if a layer's description cannot be read. */
  async read(chain: string): Promise<StoredLayer | undefined> {
    const path = join(this.place(chain), "layer.json");
    return readSmallJson(path, StoredLayerSchema, (cause) => {
      const why = `${path} cannot be read: import again an image that has this layer, which mends it`;
      throw new ImageError(`layer ${hexOf(chain).slice(0, 12)}`, why, { cause });
    });
  }

  /** The same; `undefined` also for a layer whose description cannot be read. */
  async readable(chain: string): Promise<StoredLayer | undefined> {
    return this.read(chain).catch((error: unknown) => {
      if (error instanceof ImageError) return undefined;
      throw error;
    });
  }

  /**
   * Moves described layers into the store, durably. An existing layer stays: both have the same content. Call it only
   * under the store's lock.
   */
  async adopt(layers: readonly { readonly stored: StoredLayer; readonly place?: string | undefined }[]): Promise<void> {
    makeFolders(this.folder);
    for (const { stored, place } of layers) {
      if (place === undefined) continue;
      const home = this.place(stored.chainId);
      if ((await this.readable(stored.chainId)) !== undefined) continue;
      // Instances may use the tree of a layer whose description was lost: the tree stays, and is described again.
      await rename(place, home).catch(async (error: NodeJS.ErrnoException) => {
        if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
        await describeLayer(home, stored);
      });
    }
    await syncFolder(this.folder);
  }
}

export function asLayer({ diffId, chainId: chain, size }: StoredLayer): Layer {
  return { diffId, chainId: chain, size };
}

export function asFolder(tree: string, { opaque }: StoredLayer): LayerFolder {
  return { tree, opaque };
}
