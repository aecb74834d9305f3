import type { Readable } from "node:stream";
import type { ImportOptions } from "../contract/images.ts";
import type { Image, Layer } from "../model/image.ts";

/** A kind of source for `images.import()`: registries, archives. Core brings files, folders and Debian. */
export interface ImageSourcePlugin {
  /** The prefixes that it serves, as in `["docker://", "oci:"]`. */
  readonly prefixes: readonly string[];
  /**
   * Reads the source and writes layers, then returns what the image is. `draft.folder` is scratch space that the store
   * deletes whatever happens.
   */
  import(source: string, draft: ImageDraft, options: ImportOptions): Promise<ImageDescription>;
}

/** An image on its way into the store: nothing of it is visible before the import has returned. */
export interface ImageDraft {
  /** An empty folder for the import's own use. */
  readonly folder: string;
  /** Bytes that one file of a source may have in `folder`, and a layer uncompressed: whoever fetches goes no further. */
  readonly maxBytes: number;
  /**
   * Adds the next layer, bottom first. With `diffId` and a store that has the layer on the same parents, `open` is not
   * called. The content is checked while it is unpacked: paths, links, devices, `digest` of the compressed and `diffId`
   * of the uncompressed bytes. @throws {ImageError}
   */
  addLayer(layer: LayerSource): Promise<Layer>;
}

/** One layer on its way into the store. Digests are written `sha256:…`. */
export interface LayerSource {
  /** The tar: plain, gzip, xz or zstd, told by its first bytes. */
  open(): Promise<Readable>;
  /** Of the uncompressed tar. */
  readonly diffId?: string | undefined;
  /** Of the bytes as `open()` gives them. */
  readonly digest?: string | undefined;
  /** Bytes as `open()` gives them, for progress. */
  readonly size?: number | undefined;
  /** Whether `.wh.` names are whiteouts (OCI image-spec, layer.md) rather than files. */
  readonly whiteouts: boolean;
}

/** All of an image but what the store itself knows: layers, size, time. */
export type ImageDescription = Omit<Image, "layers" | "size" | "createdAt" | "source" | "aliases">;
