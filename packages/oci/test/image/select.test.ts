import { describe, expect, it } from "vitest";
import { digestOf } from "../../src/image/manifest.ts";
import { selectImage } from "../../src/image/select.ts";
import { bytes, config, descriptor, digest, manifest, OCI } from "../support/documents.ts";

describe("selectImage", () => {
  const configBytes = bytes(config());
  const describeAs = (what: string, content: Buffer) => ({
    ...descriptor(`${OCI}.${what}.v1+json`),
    digest: digestOf(content),
    size: content.length,
  });
  const manifestBytes = bytes(manifest({ config: describeAs("config", configBytes) }));
  const documents = (changes: { manifest?: Buffer; config?: Buffer } = {}) => ({
    manifest: async () => changes.manifest ?? manifestBytes,
    config: async () => changes.config ?? configBytes,
  });
  const options = { architecture: "amd64", pins: [] } as const;

  it("returns the digest of the manifest and the diff IDs of the layers", async () => {
    const image = await selectImage("x", documents(), options);
    expect(image).toMatchObject({ digest: digestOf(manifestBytes), diffIds: [digest("d")] });
  });

  it("refuses a manifest other than the one that the caller pinned", async () => {
    await expect(selectImage("x", documents(), { ...options, pins: [digest("0")] })).rejects.toThrow(
      "its manifest has digest",
    );
  });

  it("refuses a config other than the one that the manifest names", async () => {
    await expect(selectImage("x", documents({ config: bytes(config({ created: "now" })) }), options)).rejects.toThrow(
      "its config has digest",
    );
  });

  it("refuses a manifest other than the one that the index names", async () => {
    const index = {
      schemaVersion: 2,
      manifests: [{ ...descriptor(`${OCI}.manifest.v1+json`), platform: { os: "linux", architecture: "amd64" } }],
    };
    const lying = {
      ...documents(),
      manifest: async (name?: string) => (name === undefined ? bytes(index) : manifestBytes),
    };
    await expect(selectImage("x", lying, options)).rejects.toThrow(`not ${digest("a")}`);
  });

  it("refuses an image for another architecture than the requested one", async () => {
    await expect(selectImage("x", documents(), { ...options, architecture: "arm64" })).rejects.toThrow(
      "it is for amd64",
    );
  });

  it("refuses a config with more or fewer diff IDs than there are layers", async () => {
    const two = bytes(config({ rootfs: { type: "layers", diff_ids: [digest("d"), digest("e")] } }));
    const named = bytes(manifest({ config: describeAs("config", two) }));
    await expect(selectImage("x", documents({ manifest: named, config: two }), options)).rejects.toThrow(
      "1 layers, but its config has 2",
    );
  });

  it("uses the requested architecture if the config names none", async () => {
    const silent = bytes(config({ architecture: "" }));
    const named = bytes(manifest({ config: describeAs("config", silent) }));
    const image = await selectImage("x", documents({ manifest: named, config: silent }), {
      ...options,
      architecture: "arm64",
    });
    expect(image.architecture).toBe("arm64");
  });

  it("refuses a document of another size than its descriptor declares", async () => {
    const lying = bytes(manifest({ config: { ...describeAs("config", configBytes), size: 1 } }));
    await expect(selectImage("x", documents({ manifest: lying }), options)).rejects.toThrow(
      `its config has ${configBytes.length} bytes, not 1`,
    );
  });

  it("follows nested indexes, but only a few", async () => {
    const nested = (depth: number) => {
      const byDigest = new Map([[digestOf(manifestBytes), manifestBytes]]);
      let top = manifestBytes;
      for (let level = 0; level < depth; level++) {
        const what = level === 0 ? "manifest" : "index";
        top = bytes({ schemaVersion: 2, manifests: [describeAs(what, top)] });
        byDigest.set(digestOf(top), top);
      }
      return { ...documents(), manifest: async (name?: string) => (name && byDigest.get(name)) || top };
    };
    expect((await selectImage("x", nested(3), options)).digest).toBe(digestOf(manifestBytes));
    await expect(selectImage("x", nested(6), options)).rejects.toThrow("more than 4 nested indexes");
  });

  it("accepts an image under four indexes, but not under five", async () => {
    const index = (what: string, of: Buffer) => bytes({ schemaVersion: 2, manifests: [describeAs(what, of)] });
    let top = index("manifest", manifestBytes);
    const byDigest = new Map([[digestOf(manifestBytes), manifestBytes]]);
    const select = () => {
      const asked = async (name?: string) => (name === undefined ? top : (byDigest.get(name) ?? Buffer.alloc(0)));
      return selectImage("x", { ...documents(), manifest: asked }, options);
    };
    for (let depth = 1; depth <= 4; depth += 1) {
      expect((await select()).digest).toBe(digestOf(manifestBytes));
      byDigest.set(digestOf(top), top);
      top = index("index", top);
    }
    await expect(select()).rejects.toThrow("more than 4 nested indexes");
  });

  it("reads the config of the chosen manifest, and checks every pin at the top document", async () => {
    const asked: unknown[] = [];
    const config = async (name: string, { digest }: { readonly digest: string }) => {
      asked.push(name, digest);
      return configBytes;
    };
    const pins = [digestOf(manifestBytes), digestOf(manifestBytes)];
    const image = await selectImage("x", { ...documents(), config }, { ...options, pins });
    expect(asked).toEqual([digestOf(manifestBytes), digestOf(configBytes)]);
    expect(image).toMatchObject({ architecture: "amd64", envLeftOut: [], process: { workdir: "/" } });
    expect(image.manifest.config.digest).toBe(digestOf(configBytes));
    await expect(
      selectImage("x", documents(), { ...options, pins: [digestOf(manifestBytes), digest("0")] }),
    ).rejects.toThrow("its manifest has digest");
  });
});
