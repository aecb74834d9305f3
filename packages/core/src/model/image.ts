import { z } from "zod";
import type { Frozen, Holds, Same } from "../terms/same.ts";

/** `sha256:` and 64 hexadecimal digits. */
export const DigestSchema = z
  .string()
  .regex(/^sha256:[0-9a-f]{64}$/, "a digest must be sha256: and 64 hexadecimal digits");
/** A digest by SHA-256, as in `sha256:3b0c…`. */
export type Digest = z.output<typeof DigestSchema>;
/** What {@link DigestSchema} reads. */
export type DigestInput = z.input<typeof DigestSchema>;

/** The architecture, by the names of the OCI image specification (GOARCH). */
export const ArchitectureSchema = z.enum(["amd64", "arm64"]);
/** An architecture that an image can be for. */
export type Architecture = z.output<typeof ArchitectureSchema>;
/** What {@link ArchitectureSchema} reads. */
export type ArchitectureInput = z.input<typeof ArchitectureSchema>;

/** The program of an OCI image: the runtime part of its config (image-spec, config.md). A rootfs image has none. */
export interface OciProcess {
  /** The program and its first arguments; empty when `cmd` names the program. */
  readonly entrypoint: readonly string[];
  /** The arguments after `entrypoint`, or the program itself when `entrypoint` is empty. */
  readonly cmd: readonly string[];
  /** `NAME=value`, one each. */
  readonly env: readonly string[];
  /** The program's working directory. Default `/`. */
  readonly workdir: string;
  /** `user`, `uid`, `user:group` or `uid:gid`; empty for root. */
  readonly user: string;
  /** The signal that asks the program to end, as in `SIGINT`. Absent: `SIGTERM`. */
  readonly stopSignal?: string | undefined;
  /** The labels that the image's author gave it. */
  readonly labels: Readonly<Record<string, string>>;
  /** The ports that the program listens on, as in `6379/tcp`. They are not published. */
  readonly exposedPorts: readonly string[];
  /** The folders that the author wants to outlive a container. Nothing is mounted there. */
  readonly volumes: readonly string[];
}
/** {@link OciProcess} in which keys with a default are optional. */
export type OciProcessInput = { readonly [K in keyof OciProcess]?: OciProcess[K] | undefined };
/** Reads {@link OciProcessInput}. */
export const OciProcessSchema = z.object({
  entrypoint: z.array(z.string()).readonly().default([]),
  cmd: z.array(z.string()).readonly().default([]),
  env: z.array(z.string()).readonly().default([]),
  workdir: z.string().default("/"),
  user: z.string().default(""),
  stopSignal: z.string().optional(),
  labels: z.record(z.string(), z.string()).default({}),
  exposedPorts: z.array(z.string()).readonly().default([]),
  volumes: z.array(z.string()).readonly().default([]),
});
type _OciProcess = Holds<Same<OciProcess, Frozen<z.output<typeof OciProcessSchema>>>>;
type _OciProcessInput = Holds<Same<OciProcessInput, Frozen<z.input<typeof OciProcessSchema>>>>;

/** One layer of an image's tree, in the store. */
export interface Layer {
  /** The digest of the uncompressed tar (OCI: diff ID). */
  readonly diffId: Digest;
  /** The chain ID (image-spec, config.md "Layer ChainID"): names the layer's folder in the store. */
  readonly chainId: Digest;
  /** Bytes of the uncompressed tar. */
  readonly size: number;
}
/** What {@link LayerSchema} reads. */
export type LayerInput = Layer;
/** Reads {@link Layer}. */
export const LayerSchema = z.strictObject({
  diffId: DigestSchema,
  chainId: DigestSchema,
  size: z.number().int().nonnegative(),
});
type _Layer = Holds<Same<Layer, Frozen<z.output<typeof LayerSchema>>>>;

/** The file of a disk image. */
export interface ImageDisk {
  /** The format of the file. */
  readonly format: "qcow2" | "raw";
  /** The digest of the file. */
  readonly digest: Digest;
}

/** {@link Image} in which keys with a default are optional: the form that the store writes. */
export interface ImageInput {
  /** `rootfs`: a tree to boot. `oci`: a tree and a program. `disk`: a whole disk. */
  readonly kind: "rootfs" | "oci" | "disk";
  /** The digest of content and config: the permanent name of the image. */
  readonly fingerprint: Digest;
  /** The architecture that its programs are for. */
  readonly architecture: Architecture;
  /** The operating system, as in `debian`, if known. */
  readonly os?: string | undefined;
  /** The release of `os`, as in `12`, if known. */
  readonly release?: string | undefined;
  /** Bytes of content: the layers uncompressed, or the disk file. */
  readonly size: number;
  /** Milliseconds since the epoch: when it was imported. */
  readonly createdAt: number;
  /** The source of the import, as the caller wrote it. */
  readonly source: string;
  /** The names that it has on the host. */
  readonly aliases?: readonly string[] | undefined;
  /** The layers of its tree, bottom first. Empty for `disk`. */
  readonly layers?: readonly Layer[] | undefined;
  /** The program of an image of kind `oci`. */
  readonly process?: OciProcessInput | undefined;
  /** The disk of an image of kind `disk`. */
  readonly disk?: ImageDisk | undefined;
  /** Other properties from the source, by key. */
  readonly properties?: Readonly<Record<string, string>> | undefined;
}

/** An image in the store of a host: what `images.import()` and `images.list()` return. */
export interface Image extends ImageInput {
  readonly aliases: readonly string[];
  readonly layers: readonly Layer[];
  readonly process?: OciProcess | undefined;
  readonly properties: Readonly<Record<string, string>>;
}

/** Reads {@link ImageInput}. */
export const ImageSchema = z.strictObject({
  kind: z.enum(["rootfs", "oci", "disk"]),
  fingerprint: DigestSchema,
  architecture: ArchitectureSchema,
  os: z.string().optional(),
  release: z.string().optional(),
  size: z.number().int().nonnegative(),
  createdAt: z.number(),
  source: z.string(),
  aliases: z.array(z.string()).readonly().default([]),
  layers: z.array(LayerSchema).readonly().default([]),
  process: OciProcessSchema.optional(),
  disk: z.strictObject({ format: z.enum(["qcow2", "raw"]), digest: DigestSchema }).optional(),
  properties: z.record(z.string(), z.string()).default({}),
});
type _Image = Holds<Same<Image, Frozen<z.output<typeof ImageSchema>>>>;
type _ImageInput = Holds<Same<ImageInput, Frozen<z.input<typeof ImageSchema>>>>;
