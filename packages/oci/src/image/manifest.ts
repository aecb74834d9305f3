import { createHash } from "node:crypto";
import { DigestSchema, ImageError } from "@pileus/core";
import { parseJson, printable, wording } from "@pileus/core/driver";
import { z } from "zod";
import { mediaKind } from "./media-type.ts";

/** A pointer to a blob (image-spec, descriptor.md). Keys that Pileus does not read are dropped. */
export const DescriptorSchema = z.object({
  mediaType: z.string().max(255),
  digest: DigestSchema,
  size: z.number().int().nonnegative(),
  urls: z.array(z.string()).nullish(),
  annotations: z.record(z.string(), z.string()).nullish(),
});
export type Descriptor = z.output<typeof DescriptorSchema>;

const PlatformSchema = z.object({
  architecture: z.string().nullish(),
  os: z.string().nullish(),
  variant: z.string().nullish(),
});

/** An image manifest (image-spec, manifest.md; Docker's schema 2 has the same keys). */
export const ManifestSchema = z.object({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  artifactType: z.string().optional(),
  config: DescriptorSchema,
  // Docker's graph drivers stack at most 127 layers, overlayfs 500. The limit keeps a hostile manifest finite. Go
  // writes null for an empty list: an image may consist of metadata only.
  layers: z
    .array(DescriptorSchema)
    .max(500)
    .nullish()
    .transform((layers) => layers ?? []),
});
export type Manifest = z.output<typeof ManifestSchema>;

/** An image index (image-spec, image-index.md; Docker: manifest list). */
export const IndexSchema = z.object({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  manifests: z.array(DescriptorSchema.extend({ platform: PlatformSchema.nullish() })).max(10_000),
});
export type Index = z.output<typeof IndexSchema>;

/** The most bytes of a manifest, an index or a config: distribution-spec, "Pushing Manifests", names 4 MiB. */
export const MAX_DOCUMENT = 4 * 1024 * 1024;

/** The digest of some bytes, as `sha256:…`. */
export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** @throws {ImageError} unless the bytes have the size and the digest of the descriptor. `what` is the noun. */
export function assertBlob(image: string, what: string, bytes: Uint8Array, { digest, size }: Descriptor): void {
  assertDigest(image, what, bytes, digest);
  assertSize(image, what, bytes.length, size);
}

/** @throws {ImageError} */
export function assertSize(image: string, what: string, actual: number, expected: number): void {
  if (actual !== expected) throw new ImageError(image, `its ${what} has ${actual} bytes, not ${expected}`);
}

/** @throws {ImageError} unless the bytes have this digest. `what` is the noun: `"manifest"`. */
export function assertDigest(image: string, what: string, bytes: Uint8Array, expected: string): void {
  const actual = digestOf(bytes);
  if (actual !== expected) throw new ImageError(image, `its ${what} has digest ${actual}, not ${expected}`);
}

/**
 * Parses one JSON document of an image by its schema. @throws {ImageError} that names the first faults with their
 * paths.
 */
export function parseDocument<S extends z.ZodType>(
  image: string,
  what: string,
  bytes: Uint8Array,
  schema: S,
): z.output<S> {
  if (bytes.length > MAX_DOCUMENT)
    throw new ImageError(image, `its ${what} is ${bytes.length} bytes long, more than ${MAX_DOCUMENT}`);
  let value: unknown;
  try {
    value = parseJson(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new ImageError(image, `its ${what} is not JSON`, { cause });
  }
  const result = schema.safeParse(value, { error: wording });
  if (result.success) return result.data;
  const faults = result.error.issues
    .slice(0, 3)
    .map((issue) => `${printable(issue.path.join("."), 200) || "(top)"}: ${issue.message}`);
  throw new ImageError(image, `its ${what} is malformed: ${faults.join("; ")}`, { cause: result.error });
}

const ProbeSchema = z.object({
  schemaVersion: z.number(),
  mediaType: z.string().optional(),
  manifests: z.unknown().optional(),
  layers: z.unknown().optional(),
});

/** Parses what a reference points to: an image, or an index of images. @throws {ImageError} */
export function parseManifest(
  image: string,
  bytes: Uint8Array,
): { readonly kind: "manifest"; readonly manifest: Manifest } | { readonly kind: "index"; readonly index: Index } {
  const probe = parseDocument(image, "manifest", bytes, ProbeSchema);
  if (probe.schemaVersion === 1)
    throw new ImageError(
      image,
      "its manifest has Docker's schema 1, which is obsolete: push the image again with a current tool",
    );
  // image-spec, manifest.md: mediaType is optional. A document that could be read both ways is an attack
  // (CVE-2021-41190).
  if (isThere(probe.manifests) && isThere(probe.layers))
    throw new ImageError(image, "its manifest has both layers and manifests");
  if (isThere(probe.manifests)) {
    if (probe.mediaType !== undefined && mediaKind(probe.mediaType) !== "index")
      throw new ImageError(image, `an index has the media type ${JSON.stringify(printable(probe.mediaType))}`);
    return { kind: "index", index: parseDocument(image, "index", bytes, IndexSchema) };
  }
  if (probe.mediaType !== undefined && mediaKind(probe.mediaType) !== "manifest")
    throw new ImageError(image, `a manifest has the media type ${JSON.stringify(printable(probe.mediaType))}`);
  const manifest = parseDocument(image, "manifest", bytes, ManifestSchema);
  assertImage(image, manifest);
  return { kind: "manifest", manifest };
}

/** Go writes null for an empty list. */
function isThere(list: unknown): boolean {
  return list !== undefined && list !== null;
}

function assertImage(image: string, manifest: Manifest): void {
  const { mediaType } = manifest.config;
  // moby, distribution/pull_v2.go: the type that old tools wrote for a config before it had its own.
  const unnamed = !manifest.artifactType && ["", "application/octet-stream"].includes(mediaType);
  if (mediaKind(mediaType) !== "config" && !unnamed)
    throw new ImageError(
      image,
      `it is an artifact (${JSON.stringify(printable(manifest.artifactType ?? mediaType))}), not an image`,
    );
  for (const [number, layer] of manifest.layers.entries())
    if (!["layer", "foreign-layer"].includes(mediaKind(layer.mediaType)))
      throw new ImageError(
        image,
        `layer ${number} (${layer.digest}) is not a tar but ${JSON.stringify(printable(layer.mediaType))}`,
      );
}

/** @throws {ImageError} when a layer would not be fetched because its content may lie outside of the registry. */
export function assertFetched(image: string, layers: readonly Descriptor[]): void {
  // Skopeo silently skips such a layer (containers/image, copy/single.go), so the blob would be missing later.
  for (const [number, layer] of layers.entries())
    if (layer.urls?.length)
      throw new ImageError(
        image,
        `layer ${number} (${layer.digest}) has urls: its content lies outside of the registry and is not fetched`,
      );
}
