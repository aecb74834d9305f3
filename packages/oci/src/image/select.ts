import { type Architecture, ImageError, type OciProcess } from "@pileus/core";
import { parseImageConfig } from "./config.ts";
import { assertBlob, assertDigest, type Descriptor, digestOf, type Manifest, parseManifest } from "./manifest.ts";
import { choosePlatform } from "./platform.ts";

/** Reads the documents of an image: from a registry or archive by skopeo, or from a layout. Returns the exact bytes. */
export interface Documents {
  /** The document that the reference points to, or, with a digest, one of the manifests and indexes below it. */
  manifest(digest?: string): Promise<Uint8Array>;
  /** The config of the manifest with this digest. */
  config(manifest: string, config: Descriptor): Promise<Uint8Array>;
}

/** An image whose documents were read and verified, and whose layers are not fetched yet. */
export interface SelectedImage {
  /** The digest of the manifest: that of one platform, if the reference points to an index. */
  readonly digest: string;
  readonly manifest: Manifest;
  readonly architecture: Architecture;
  /** As many as the manifest has layers. */
  readonly diffIds: readonly string[];
  readonly process: OciProcess;
  /** Entries of the config's environment that are left out of `process`. */
  readonly envLeftOut: readonly string[];
}

/** The limit of nested indexes: an index of releases may lead to indexes of platforms. It stops a hostile registry. */
const MAX_INDEXES = 4;

/**
 * Follows a reference to the image for the architecture. Checks every document against the digest that named it.
 *
 * `pins` are digests that the document of the reference must have. @throws {ImageError}
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
  // An image that names no architecture counts as one for the requested architecture: the index or the caller chose it.
  const { architecture = options.architecture, diffIds, process, envLeftOut } = parseImageConfig(image, bytes);
  if (architecture !== options.architecture)
    throw new ImageError(image, `it is for ${architecture}, not for the requested ${options.architecture}`);
  if (diffIds.length !== manifest.layers.length)
    throw new ImageError(
      image,
      `its manifest has ${manifest.layers.length} layers, but its config has ${diffIds.length} diff IDs`,
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
  throw new ImageError(image, `it has more than ${MAX_INDEXES} nested indexes`);
}
