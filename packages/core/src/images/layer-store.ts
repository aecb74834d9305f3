import { createHash } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { type Layer, LayerSchema } from "../model/image.ts";
import { parseJson } from "../text/bounded-json.ts";
import type { LayerFolder } from "./layer/lower-layers.ts";

/** `layer.json`, beside a layer's tree. */
const StoredLayerSchema = z.strictObject({
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
 * names are files, is another tree than a layer of the same bytes that hides something: it has an ID of its own.
 */
export function chainId(parent: string | undefined, diffId: string, literal = false): string {
  if (parent === undefined && !literal) return diffId;
  const chain = [parent ?? "", diffId, ...(literal ? ["literal"] : [])].join(" ");
  return `sha256:${createHash("sha256").update(chain).digest("hex")}`;
}

export function hexOf(digest: string): string {
  return digest.slice("sha256:".length);
}

/** Writes what is known of an unpacked layer beside its tree. */
export async function describeLayer(folder: string, layer: StoredLayer): Promise<void> {
  await writeFile(join(folder, "layer.json"), `${JSON.stringify(layer)}\n`);
}

/** The layers in a store: folders by chain ID, each whole or not there. */
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

  async read(chain: string): Promise<StoredLayer | undefined> {
    try {
      return StoredLayerSchema.parse(parseJson(await readFile(join(this.place(chain), "layer.json"), "utf8")));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  /**
   * Moves a described layer in. One that is there already stays: both have the same content. Only under the store's
   * lock.
   */
  async adopt(chain: string, from: string): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    if ((await this.read(chain)) === undefined) await rename(from, this.place(chain));
  }
}

export function asLayer({ diffId, chainId: chain, size }: StoredLayer): Layer {
  return { diffId, chainId: chain, size };
}

export function asFolder(tree: string, { opaque }: StoredLayer): LayerFolder {
  return { tree, opaque };
}
