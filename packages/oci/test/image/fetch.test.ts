import type { Spawn } from "@pileus/core/driver";
import { describe, expect, it } from "vitest";
import { parseImageConfig } from "../../src/image/config.ts";
import { fetchLayers } from "../../src/image/fetch.ts";
import { parseReference } from "../../src/image/reference.ts";
import type { SelectedImage } from "../../src/image/select.ts";

const context = {
  reference: parseReference("docker-archive:/a.tar"),
  registry: {},
  policy: "/p.json",
  folder: "/scratch",
  maxBytes: 100,
};
const spawn: Spawn = () => expect.unreachable();

function image(...sizes: number[]): SelectedImage {
  const digest = (index: number) => `sha256:${String(index).repeat(64)}`;
  const mediaType = "application/vnd.oci.image.layer.v1.tar";
  const layers = sizes.map((size, index) => ({ mediaType, digest: digest(index), size }));
  const config = { mediaType: "application/vnd.oci.image.config.v1+json", digest: digest(9), size: 2 };
  const rootfs = { type: "layers", diff_ids: layers.map(({ digest }) => digest) };
  const parsed = parseImageConfig("x", Buffer.from(JSON.stringify({ architecture: "amd64", os: "linux", rootfs })));
  const manifest = { schemaVersion: 2 as const, config, layers };
  return { digest: digest(8), manifest, ...parsed, architecture: "amd64" };
}

describe("fetchLayers", () => {
  it("accepts any number of layers, each up to the limit", () => {
    expect(() => fetchLayers(spawn, context, image(100, 100, 60), {})).not.toThrow();
  });

  it("refuses a layer whose content may lie outside of the registry, before anything is fetched", () => {
    const one = image(60);
    const layers = one.manifest.layers.map((layer) => ({ ...layer, urls: ["https://h.x/layer"] }));
    const elsewhere = { ...one, manifest: { ...one.manifest, layers } };
    expect(() => fetchLayers(spawn, context, elsewhere, {})).toThrow(/layer 0 \(sha256:0+\) has urls/);
  });

  it("refuses a layer that declares a larger size, before anything is fetched", () => {
    expect(() => fetchLayers(spawn, context, image(60, 101), {})).toThrow(
      "layer 1 has more than 100 bytes, the limit for a layer",
    );
  });
});
