import { createHash, randomUUID } from "node:crypto";
import { createWriteStream } from "node:fs";
import { open, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { ImageError, type OciProcess } from "@pileus/core";
import { hostArchitecture, makeFolders } from "@pileus/core/driver";
import { z } from "zod";
import { type Descriptor, DescriptorSchema, digestOf, IndexSchema, parseDocument } from "./manifest.ts";
import { OCI } from "./media-type.ts";
import { unreadable } from "./pinned-file.ts";
import { type OciLayoutOptions, type ParsedLayoutOptions, parseLayoutOptions } from "./write-options.ts";

/**
 * Writes an image from tars as an OCI layout, without a registry or a build tool. The same input gives the same
 * digests. Push it with `skopeo copy oci:<folder>:<tag> docker://…`, or import it as `oci:<folder>:<tag>`.
 *
 * An abort leaves a valid layout without the image. Only one process may write a layout at a time.
 *
 * @throws {ConfigError} for wrong options, before anything is written.
 * @throws {NotFoundError} when a tar is missing. @throws {ImageError} when a tar cannot be read or is already
 * compressed.
 */
export async function writeOciLayout(
  given: OciLayoutOptions,
): Promise<{ readonly manifest: string; readonly config: string; readonly diffIds: readonly string[] }> {
  const options = parseLayoutOptions(given);
  const { folder, signal } = options;
  makeFolders(join(folder, "blobs", "sha256"));
  const layers = [];
  for (const { tar } of options.layers) layers.push(await writeLayer(folder, tar, options));
  const diffIds = layers.map((layer) => layer.diffId);
  const config = await writeDocument(folder, OCI.config, {
    architecture: options.architecture ?? hostArchitecture(),
    os: "linux",
    config: renderProcess(options.config),
    rootfs: { type: "layers", diff_ids: diffIds },
  });
  const manifest = await writeDocument(folder, OCI.manifest, {
    schemaVersion: 2,
    mediaType: OCI.manifest,
    config,
    layers: layers.map((layer) => layer.descriptor),
  });
  signal?.throwIfAborted();
  await writeIndex(folder, options.tag, manifest);
  return { manifest: manifest.digest, config: config.digest, diffIds };
}

/** The `config` object of image-spec, config.md: keys without a value are left out. */
function renderProcess(program: OciProcess): Record<string, unknown> {
  const names = (list: readonly string[]) => Object.fromEntries(list.map((name) => [name, {}]));
  return {
    ...(program.user === "" ? {} : { User: program.user }),
    ...(program.exposedPorts.length === 0 ? {} : { ExposedPorts: names(program.exposedPorts) }),
    ...(program.env.length === 0 ? {} : { Env: program.env }),
    ...(program.entrypoint.length === 0 ? {} : { Entrypoint: program.entrypoint }),
    ...(program.cmd.length === 0 ? {} : { Cmd: program.cmd }),
    ...(program.volumes.length === 0 ? {} : { Volumes: names(program.volumes) }),
    WorkingDir: program.workdir,
    ...(Object.keys(program.labels).length === 0 ? {} : { Labels: program.labels }),
    ...(program.stopSignal === undefined ? {} : { StopSignal: program.stopSignal }),
  };
}

async function writeLayer(
  folder: string,
  tar: string,
  { compression, signal }: ParsedLayoutOptions,
): Promise<{ readonly descriptor: Descriptor; readonly diffId: string }> {
  signal?.throwIfAborted();
  const source = await open(tar).catch((cause: unknown) => {
    throw unreadable(tar, cause);
  });
  const plain = meter();
  const packed = meter();
  const temporary = join(folder, `.layer-${randomUUID()}`);
  try {
    await pipeline(
      source.createReadStream({ highWaterMark: 1 << 20 }),
      plain.stream,
      compression === "gzip" ? createGzip() : new PassThrough(),
      packed.stream,
      createWriteStream(temporary, { flags: "wx" }),
      { signal },
    );
    if (plain.first()?.equals(Buffer.from([0x1f, 0x8b])))
      throw new ImageError(tar, "a layer must be an uncompressed tar, but this is gzip");
    const digest = packed.digest();
    await rename(temporary, blobPath(folder, digest));
    const mediaType = compression === "gzip" ? OCI.layerGzip : OCI.layer;
    return { descriptor: { mediaType, digest, size: packed.size() }, diffId: plain.digest() };
  } catch (error) {
    await rm(temporary, { force: true });
    signal?.throwIfAborted();
    // That it is a folder shows only at the first read.
    throw (error as NodeJS.ErrnoException).code === "EISDIR" ? unreadable(tar, error) : error;
  }
}

/** A stream that passes bytes on and counts and digests them. */
function meter() {
  const hash = createHash("sha256");
  let size = 0;
  let first: Buffer | undefined;
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      first ??= Buffer.from(chunk.subarray(0, 2));
      hash.update(chunk);
      size += chunk.length;
      done(null, chunk);
    },
  });
  return { stream, size: () => size, first: () => first, digest: () => `sha256:${hash.digest("hex")}` };
}

function blobPath(folder: string, digest: string): string {
  return join(folder, "blobs", "sha256", digest.slice("sha256:".length));
}

async function writeDocument(folder: string, mediaType: string, document: unknown): Promise<Descriptor> {
  const bytes = Buffer.from(JSON.stringify(document));
  const digest = digestOf(bytes);
  await replace(blobPath(folder, digest), bytes);
  return { mediaType, digest, size: bytes.length };
}

async function writeIndex(folder: string, tag: string, manifest: Descriptor): Promise<void> {
  const path = join(folder, "index.json");
  const before = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  const others = before === undefined ? [] : parseDocument(folder, "index", before, LooseIndexSchema).manifests;
  const manifests = others.filter((entry) => entry.annotations?.[REF_NAME] !== tag);
  await replace(join(folder, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  const index = {
    schemaVersion: 2,
    mediaType: OCI.index,
    manifests: [...manifests, { ...manifest, annotations: { [REF_NAME]: tag } }],
  };
  await replace(path, JSON.stringify(index));
}

// Unknown members of an index are kept.
const LooseIndexSchema = IndexSchema.extend({ manifests: z.array(DescriptorSchema.loose()) });

/** The annotation that names an image in a layout: image-spec, annotations.md. */
export const REF_NAME = "org.opencontainers.image.ref.name";

async function replace(path: string, data: string | Uint8Array): Promise<void> {
  const temporary = `${path}.${randomUUID()}`;
  await writeFile(temporary, data, { flag: "wx" });
  await rename(temporary, path);
}
