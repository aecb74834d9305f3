import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { digestOf } from "../../src/image/manifest.ts";

type Json = Readonly<Record<string, unknown>>;

/** The parts of a layout with one image. A test can change each of them, and nothing is checked, on purpose. */
export interface RawImage {
  /** Uncompressed tars, bottom first. */
  readonly layers?: readonly Buffer[];
  /** Members of the config besides architecture, os and rootfs. */
  readonly config?: Json;
  readonly manifest?: Json;
  /** Members of each layer's descriptor. */
  readonly layer?: Json;
  /** Changes the entry of the index. */
  readonly entry?: Json;
  /** Layers whose blob is missing. */
  readonly lacking?: readonly number[];
}

/** Writes a layout by hand in a new folder beneath `parent`, and returns the source. */
export async function rawLayout(parent: string, image: RawImage = {}): Promise<string> {
  const folder = await mkdtemp(join(parent, "raw-"));
  const blobs = join(folder, "blobs", "sha256");
  await mkdir(blobs, { recursive: true });
  const put = async (bytes: Buffer) => {
    const digest = digestOf(bytes);
    await writeFile(join(blobs, digest.slice("sha256:".length)), bytes);
    return { digest, size: bytes.length };
  };
  const json = (value: unknown) => put(Buffer.from(JSON.stringify(value)));
  const tars = image.layers ?? [];
  const mediaType = "application/vnd.oci.image.layer.v1.tar+gzip";
  const layers = [];
  for (const tar of tars) layers.push({ mediaType, ...(await put(gzipSync(tar))), ...image.layer });
  for (const index of image.lacking ?? [])
    await rm(join(blobs, (layers[index]?.digest ?? "").slice("sha256:".length)), { force: true });
  const config = await json({
    architecture: process.arch === "x64" ? "amd64" : "arm64",
    os: "linux",
    rootfs: { type: "layers", diff_ids: tars.map(digestOf) },
    ...image.config,
  });
  const manifest = await json({
    schemaVersion: 2,
    config: { mediaType: "application/vnd.oci.image.config.v1+json", ...config },
    layers,
    ...image.manifest,
  });
  await writeFile(join(folder, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  const entry = { mediaType: "application/vnd.oci.image.manifest.v1+json", ...manifest, ...image.entry };
  await writeFile(join(folder, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
  return `oci:${folder}`;
}
