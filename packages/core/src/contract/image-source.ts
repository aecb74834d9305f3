import type { Readable } from "node:stream";
import type { Image, Layer } from "../model/image.ts";
import type { ImportOptions } from "./images.ts";

/** A kind of source for `images.import()`: registries, archives. Core itself has files, folders and Debian. */
export interface ImageSourcePlugin {
  /** The prefixes that it handles, as in `["docker://", "oci:"]`. */
  readonly prefixes: readonly string[];
  /**
   * Reads the source, adds the layers to the draft, and returns the description of the image. `draft.folder` is scratch
   * space that the store always deletes.
   */
  import(source: string, draft: ImageDraft, options: ImportOptions): Promise<ImageDescription>;
}

/** An image that is being imported. It becomes visible when the import has returned. */
export interface ImageDraft {
  /** An empty folder for the import's own use. */
  readonly folder: string;
  /**
   * Open files that a tool which writes to `folder` must inherit. They keep the folder from removal until the tool has
   * ended, even after the death of this process.
   */
  readonly descriptors: readonly number[];
  /**
   * The most bytes that one file of the source may have in `folder`, and that a layer may have uncompressed. An import
   * must stop at this limit.
   */
  readonly maxBytes: number;
  /**
   * Adds the next layer, bottom first. When `diffId` is given and the store has that layer on the same parents, `open`
   * is not called. The content is checked while it is unpacked: paths, links, devices, `digest` of the compressed and
   * `diffId` of the uncompressed bytes. @throws {ImageError}
   */
  addLayer(layer: LayerSource): Promise<Layer>;
}

/** One layer of an image that is being imported. Digests are written `sha256:…`. */
export interface LayerSource {
  /** The tar: plain, gzip, xz or zstd, detected from its first bytes. */
  open(): Promise<Readable>;
  /** The digest of the uncompressed tar. */
  readonly diffId?: string | undefined;
  /** The digest of the bytes that `open()` returns. */
  readonly digest?: string | undefined;
  /** The number of bytes that `open()` returns, for progress. */
  readonly size?: number | undefined;
  /** Whether `.wh.` names are whiteouts (OCI image-spec, layer.md) rather than files. */
  readonly whiteouts: boolean;
}

/** Everything about an image except what the store itself adds: layers, size, time. */
export type ImageDescription = Omit<Image, "layers" | "size" | "createdAt" | "source" | "aliases">;
