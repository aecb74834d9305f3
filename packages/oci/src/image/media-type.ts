/**
 * Media types of images: image-spec, media-types.md, and Docker's "Image Manifest Version 2, Schema 2". The two
 * families differ in these names alone.
 */
export const OCI = {
  index: "application/vnd.oci.image.index.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar",
  layerGzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  layerZstd: "application/vnd.oci.image.layer.v1.tar+zstd",
} as const;

const DOCKER = {
  index: "application/vnd.docker.distribution.manifest.list.v2+json",
  manifest: "application/vnd.docker.distribution.manifest.v2+json",
  config: "application/vnd.docker.container.image.v1+json",
  layer: "application/vnd.docker.image.rootfs.diff.tar",
  layerGzip: "application/vnd.docker.image.rootfs.diff.tar.gzip",
  layerZstd: "application/vnd.docker.image.rootfs.diff.tar.zstd",
} as const;

export type MediaKind = "index" | "manifest" | "config" | "layer" | "foreign-layer" | "other";

const KINDS: ReadonlyMap<string, MediaKind> = new Map<string, MediaKind>([
  [OCI.index, "index"],
  [DOCKER.index, "index"],
  [OCI.manifest, "manifest"],
  [DOCKER.manifest, "manifest"],
  [OCI.config, "config"],
  [DOCKER.config, "config"],
  ...[OCI.layer, OCI.layerGzip, OCI.layerZstd].map((type) => [type, "layer"] as const),
  ...[DOCKER.layer, DOCKER.layerGzip, DOCKER.layerZstd].map((type) => [type, "layer"] as const),
  // Content that a registry may not serve itself, often behind a URL in the image. Accepted if the blob is there.
  ["application/vnd.docker.image.rootfs.foreign.diff.tar", "foreign-layer"],
  ["application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "foreign-layer"],
  ["application/vnd.oci.image.layer.nondistributable.v1.tar", "foreign-layer"],
  ["application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "foreign-layer"],
  ["application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", "foreign-layer"],
]);

/**
 * The kind of document or layer that a media type stands for. A type that images do not use (attestations, charts,
 * schema 1) is `other`.
 */
export function mediaKind(mediaType: string): MediaKind {
  return KINDS.get(mediaType) ?? "other";
}
