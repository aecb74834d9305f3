import { createHash } from "node:crypto";
import { type Architecture, DigestSchema, ImageError } from "@pileus/core";
import { parseJson, printable } from "@pileus/core/driver";
import { z } from "zod";
import { mediaKind } from "./media-type.ts";

/** A pointer to a blob (image-spec, descriptor.md). Keys that we do not read are dropped. */
export const DescriptorSchema = z.object({
  mediaType: z.string().min(1).max(255),
  digest: DigestSchema,
  size: z.number().int().nonnegative(),
  urls: z.array(z.string()).nullish(),
  annotations: z.record(z.string(), z.string()).nullish(),
});
export type Descriptor = z.output<typeof DescriptorSchema>;

const PlatformSchema = z.object({
  architecture: z.string(),
  os: z.string(),
  variant: z.string().nullish(),
});

/** An image manifest (image-spec, manifest.md; Docker's schema 2 has the same keys). */
export const ManifestSchema = z.object({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  artifactType: z.string().optional(),
  config: DescriptorSchema,
  // 127 is the most that Docker's graph drivers stack; overlayfs takes 500. A bound keeps a hostile manifest finite.
  layers: z.array(DescriptorSchema).max(500),
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

/** `sha256:…` of some bytes. */
export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** @throws {ImageError} unless the bytes have this digest. `what` is the noun: `"manifest"`. */
export function assertDigest(image: string, what: string, bytes: Uint8Array, expected: string): void {
  const actual = digestOf(bytes);
  if (actual !== expected) throw new ImageError(image, `its ${what} has digest ${actual}, not ${expected}`);
}

/** Parses one JSON document of an image by its schema. @throws {ImageError} naming the first faults with their paths. */
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
  const result = schema.safeParse(value);
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

/** Reads what a reference points to: an image, or an index of images. @throws {ImageError} */
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
  // image-spec, manifest.md: mediaType is optional. A document that could be read both ways is an attack (CVE-2021-41190).
  if (probe.manifests !== undefined && probe.layers !== undefined)
    throw new ImageError(image, "its manifest has both layers and manifests");
  if (probe.manifests !== undefined) {
    if (probe.mediaType !== undefined && mediaKind(probe.mediaType) !== "index")
      throw new ImageError(image, `an index says that it is ${JSON.stringify(probe.mediaType)}`);
    return { kind: "index", index: parseDocument(image, "index", bytes, IndexSchema) };
  }
  if (probe.mediaType !== undefined && mediaKind(probe.mediaType) !== "manifest")
    throw new ImageError(image, `a manifest says that it is ${JSON.stringify(probe.mediaType)}`);
  const manifest = parseDocument(image, "manifest", bytes, ManifestSchema);
  assertImage(image, manifest);
  return { kind: "manifest", manifest };
}

function assertImage(image: string, manifest: Manifest): void {
  if (mediaKind(manifest.config.mediaType) !== "config")
    throw new ImageError(
      image,
      `it is an artifact (${JSON.stringify(manifest.artifactType ?? manifest.config.mediaType)}), not an image`,
    );
  for (const [number, layer] of manifest.layers.entries()) {
    const kind = mediaKind(layer.mediaType);
    if (kind === "foreign-layer")
      throw new ImageError(
        image,
        `layer ${number} (${layer.digest}) is foreign (${layer.mediaType}): its content lies outside of the registry`,
      );
    // Skopeo leaves it out without a word (containers/image, copy/single.go), so that a blob would be missing later.
    if (layer.urls?.length)
      throw new ImageError(
        image,
        `layer ${number} (${layer.digest}) has urls: its content lies outside of the registry, and is not fetched`,
      );
    if (kind !== "layer")
      throw new ImageError(image, `layer ${number} (${layer.digest}) is no tar but ${JSON.stringify(layer.mediaType)}`);
  }
}

/**
 * The descriptor of the image for Linux on an architecture. Among several variants (arm64 `v8`, amd64 `v2`) the most
 * basic wins, which every processor runs. @throws {ImageError} naming the platforms that there are
 */
export function choosePlatform(image: string, index: Index, architecture: Architecture): Descriptor {
  const baseline = architecture === "arm64" ? "v8" : "v1";
  const rank = (variant: string | null | undefined): number => (!variant ? 0 : variant === baseline ? 1 : 2);
  // Attestations stand in an index as manifests for unknown/unknown, and never match.
  const candidates = index.manifests
    .filter((entry) => entry.platform?.os === "linux" && entry.platform.architecture === architecture)
    .sort((a, b) => rank(a.platform?.variant) - rank(b.platform?.variant));
  const chosen = candidates[0];
  if (chosen !== undefined && rank(chosen.platform?.variant) < 2) return chosen;
  const known = index.manifests
    .map(({ platform }) => [platform?.os, platform?.architecture, platform?.variant].filter(Boolean).join("/"))
    .filter((name) => name !== "" && !name.startsWith("unknown"));
  throw new ImageError(
    image,
    `it has no linux/${architecture}; there is ${
      known.length === 0
        ? "nothing that names its platform"
        : known
            .slice(0, 20)
            .map((name) => printable(name, 200))
            .join(", ")
    }`,
  );
}
