import { type Architecture, ImageError, type OciProcess } from "@pileus/core";
import { parseImageConfig } from "./config.ts";
import { assertDigest, choosePlatform, type Descriptor, digestOf, type Manifest, parseManifest } from "./manifest.ts";

/** Where the documents of an image are read: a registry or archive by skopeo, or a layout. Returns the very bytes. */
export interface Documents {
  /** What the reference points to, or with a digest, one of the manifests of that index. */
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
}

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
  assertDigest(image, "config", bytes, manifest.config.digest);
  const { architecture, diffIds, process } = parseImageConfig(image, bytes);
  if (architecture !== options.architecture)
    throw new ImageError(image, `it is for ${architecture}, and ${options.architecture} was asked for`);
  if (diffIds.length !== manifest.layers.length)
    throw new ImageError(
      image,
      `its manifest has ${manifest.layers.length} layers and its config ${diffIds.length} diff IDs`,
    );
  return { digest, manifest, architecture, diffIds, process };
}

async function platformManifest(
  image: string,
  documents: Documents,
  top: Uint8Array,
  architecture: Architecture,
): Promise<{ readonly digest: string; readonly manifest: Manifest }> {
  const parsed = parseManifest(image, top);
  if (parsed.kind === "manifest") return { digest: digestOf(top), manifest: parsed.manifest };
  const { digest } = choosePlatform(image, parsed.index, architecture);
  const bytes = await documents.manifest(digest);
  assertDigest(image, "manifest", bytes, digest);
  const inner = parseManifest(image, bytes);
  if (inner.kind === "index") throw new ImageError(image, `its index leads to another index (${digest})`);
  return { digest, manifest: inner.manifest };
}
