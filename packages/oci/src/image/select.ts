import { type Architecture, ImageError, type OciProcess } from "@pileus/core";
import { parseImageConfig } from "./config.ts";
import { assertBlob, assertDigest, type Descriptor, digestOf, type Manifest, parseManifest } from "./manifest.ts";
import { choosePlatform } from "./platform.ts";

/** Where the documents of an image are read: a registry or archive by skopeo, or a layout. Returns the very bytes. */
export interface Documents {
  /** What the reference points to, or with a digest, one of the manifests and indexes that it leads to. */
  manifest(digest?: string): Promise<Uint8Array>;
  /** The config of the manifest with this digest. */
  config(manifest: string, config: Descriptor): Promise<Uint8Array>;
}

/** An image whose documents are read and verified, and whose layers are still where they were. */
export interface SelectedImage {
  /** The digest of the manifest: that of one platform, where the reference points to an index. */
  readonly digest: string;
  readonly manifest: Manifest;
  readonly architecture: Architecture;
  /** As many as the manifest has layers. */
  readonly diffIds: readonly string[];
  readonly process: OciProcess;
  /** Entries of the config's environment that are left out of `process`. */
  readonly envLeftOut: readonly string[];
}

/** Indexes in one another: those of several releases, then of platforms. A bound keeps a hostile registry finite. */
const MAX_INDEXES = 4;

/**
 * Follows a reference to the one image for the architecture, checking every document against the digest that named it.
 *
 * `pins` are digests that the caller demands of what the reference points to. @throws {ImageError}
 */
export async function selectImage(
  image: string,
  documents: Documents,
  options: { readonly architecture: Architecture; readonly pins: readonly string[] },
): Promise<SelectedImage> {
  const top = await documents.manifest();
  for (const pin of options.pins) assertDigest(image, "manifest", top, pin);
  const { digest, manifest } = await platformManifest(image, documents, top, options.architecture);
  const bytes = await documents.config(digest, manifest.config);
  assertBlob(image, "config", bytes, manifest.config);
  // What names no architecture is what it was asked for as: an index says so, or the caller.
  const { architecture = options.architecture, diffIds, process, envLeftOut } = parseImageConfig(image, bytes);
  if (architecture !== options.architecture)
    throw new ImageError(image, `it is for ${architecture}, and ${options.architecture} was asked for`);
  if (diffIds.length !== manifest.layers.length)
    throw new ImageError(
      image,
      `its manifest has ${manifest.layers.length} layers and its config ${diffIds.length} diff IDs`,
    );
  return { digest, manifest, architecture, diffIds, process, envLeftOut };
}

async function platformManifest(
  image: string,
  documents: Documents,
  top: Uint8Array,
  architecture: Architecture,
): Promise<{ readonly digest: string; readonly manifest: Manifest }> {
  let bytes = top;
  for (let indexes = 0; indexes <= MAX_INDEXES; indexes++) {
    const parsed = parseManifest(image, bytes);
    if (parsed.kind === "manifest") return { digest: digestOf(bytes), manifest: parsed.manifest };
    const chosen = choosePlatform(image, parsed.index, architecture);
    bytes = await documents.manifest(chosen.digest);
    assertBlob(image, "manifest", bytes, chosen);
  }
  throw new ImageError(image, `it has more than ${MAX_INDEXES} indexes in one another`);
}
