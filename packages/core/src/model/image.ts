import { z } from "zod";

/** `sha256:` and 64 hexadecimal digits. */
export const DigestSchema = z.string().regex(/^sha256:[0-9a-f]{64}$/, "a digest is sha256: and 64 hexadecimal digits");
export type Digest = z.output<typeof DigestSchema>;
export type DigestInput = z.input<typeof DigestSchema>;

/** The architecture, by the names of the OCI image specification (GOARCH). */
export const ArchitectureSchema = z.enum(["amd64", "arm64"]);
export type Architecture = z.output<typeof ArchitectureSchema>;
export type ArchitectureInput = z.input<typeof ArchitectureSchema>;

/**
 * The runtime part of an OCI image's config (image-spec, config.md), with its defaults. A rootfs image has none.
 */
export const OciProcessSchema = z.object({
  entrypoint: z.array(z.string()).default([]),
  cmd: z.array(z.string()).default([]),
  /** `NAME=value`. */
  env: z.array(z.string()).default([]),
  workdir: z.string().default("/"),
  user: z.string().default(""),
  stopSignal: z.string().optional(),
  labels: z.record(z.string(), z.string()).default({}),
  exposedPorts: z.array(z.string()).default([]),
  volumes: z.array(z.string()).default([]),
});
export type OciProcess = z.output<typeof OciProcessSchema>;
export type OciProcessInput = z.input<typeof OciProcessSchema>;

/** One layer of an image's tree, in the store. */
export const LayerSchema = z.strictObject({
  /** The digest of the uncompressed tar (OCI: diff ID). */
  diffId: DigestSchema,
  /** The chain ID (image-spec, config.md "Layer ChainID"): names the layer's folder in the store. */
  chainId: DigestSchema,
  /** Bytes of the uncompressed tar. */
  size: z.number().int().nonnegative(),
});
export type Layer = z.output<typeof LayerSchema>;
export type LayerInput = z.input<typeof LayerSchema>;

/** An image in the store: what is written beside its blobs, and what `images.list()` returns. */
export const ImageSchema = z.strictObject({
  /** `rootfs`: a tree to boot. `oci`: a tree and a program. `disk`: a whole disk. */
  kind: z.enum(["rootfs", "oci", "disk"]),
  /** Covers content and config. */
  fingerprint: DigestSchema,
  architecture: ArchitectureSchema,
  os: z.string().optional(),
  release: z.string().optional(),
  /** Bytes of content: the layers uncompressed, or the disk file. */
  size: z.number().int().nonnegative(),
  /** Milliseconds since the epoch: when it was imported. */
  createdAt: z.number(),
  /** Where it came from, as the caller wrote it. */
  source: z.string(),
  aliases: z.array(z.string()).default([]),
  /** Bottom first. Empty for `disk`. */
  layers: z.array(LayerSchema).default([]),
  /** Only `oci`. */
  process: OciProcessSchema.optional(),
  /** Only `disk`. */
  disk: z.strictObject({ format: z.enum(["qcow2", "raw"]), digest: DigestSchema }).optional(),
  properties: z.record(z.string(), z.string()).default({}),
});
export type Image = z.output<typeof ImageSchema>;
export type ImageInput = z.input<typeof ImageSchema>;
