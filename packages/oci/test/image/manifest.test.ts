import { describe, expect, it } from "vitest";
import { parseImageConfig } from "../../src/image/config.ts";
import { digestOf, parseManifest } from "../../src/image/manifest.ts";
import { choosePlatform } from "../../src/image/platform.ts";
import { selectImage } from "../../src/image/select.ts";

const OCI = "application/vnd.oci.image";
const DOCKER = "application/vnd.docker";
const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
const bytes = (value: unknown) => Buffer.from(JSON.stringify(value));
const descriptor = (mediaType: string, letter = "a") => ({ mediaType, digest: digest(letter), size: 1 });

const manifest = (changes: object = {}) => ({
  schemaVersion: 2,
  mediaType: `${OCI}.manifest.v1+json`,
  config: descriptor(`${OCI}.config.v1+json`, "c"),
  layers: [descriptor(`${OCI}.layer.v1.tar+gzip`)],
  ...changes,
});

describe("parseManifest", () => {
  it.each([
    ["an OCI manifest", manifest()],
    ["an OCI manifest without a media type", manifest({ mediaType: undefined })],
    [
      "an OCI manifest of zstd and plain layers",
      manifest({ layers: ["tar", "tar+zstd"].map((t) => descriptor(`${OCI}.layer.v1.${t}`)) }),
    ],
    [
      "a Docker manifest",
      manifest({
        mediaType: `${DOCKER}.distribution.manifest.v2+json`,
        config: descriptor(`${DOCKER}.container.image.v1+json`),
        layers: [descriptor(`${DOCKER}.image.rootfs.diff.tar.gzip`)],
      }),
    ],
    [
      "an old Docker manifest, whose config has no type of its own",
      manifest({ config: descriptor("application/octet-stream") }),
    ],
    ["a manifest whose config has no type at all", manifest({ config: descriptor("") })],
    [
      "a manifest of layers that a registry need not hand out",
      manifest({
        layers: [
          { ...descriptor(`${DOCKER}.image.rootfs.foreign.diff.tar.gzip`), urls: ["https://h.x/layer"] },
          descriptor(`${OCI}.layer.nondistributable.v1.tar`),
        ],
      }),
    ],
  ])("reads %s", (_name, document) => {
    expect(parseManifest("x", bytes(document)).kind).toBe("manifest");
  });

  it("reads a manifest without layers, where Go writes null", () => {
    for (const layers of [null, [], undefined])
      expect(parseManifest("x", bytes({ ...manifest(), layers, manifests: null }))).toMatchObject({
        kind: "manifest",
        manifest: { layers: [] },
      });
  });

  it.each([
    ["no JSON", Buffer.from("{"), "is not JSON"],
    ["no UTF-8", Buffer.from([0x22, 0xff, 0x22]), "is not JSON"],
    ["JSON of another shape", bytes([]), "is malformed"],
    ["Docker's schema 1", bytes({ schemaVersion: 1, fsLayers: [] }), "schema 1"],
    ["layers and manifests in one", bytes(manifest({ manifests: [] })), "both layers and manifests"],
    ["a manifest that says it is an index", bytes(manifest({ mediaType: `${OCI}.index.v1+json` })), "says that it is"],
    [
      "an artifact whose config is of no type",
      bytes(manifest({ config: descriptor("application/octet-stream"), artifactType: "application/x-model" })),
      'an artifact ("application/x-model")',
    ],
    ["a layer that is no tar", bytes(manifest({ layers: [descriptor("application/vnd.in-toto+json")] })), "is no tar"],
    [
      "an artifact",
      bytes(manifest({ config: descriptor(`${OCI}.empty.v1+json`), artifactType: "application/x-chart" })),
      'an artifact ("application/x-chart")',
    ],
    [
      "a digest that climbs out of a layout",
      bytes(manifest({ config: { ...descriptor(`${OCI}.config.v1+json`), digest: "sha256:../../etc/passwd" } })),
      "config.digest",
    ],
    [
      "a negative size",
      bytes(manifest({ layers: [{ ...descriptor(`${OCI}.layer.v1.tar`), size: -1 }] })),
      "layers.0.size",
    ],
    ["more than 4 MiB", Buffer.alloc(4 * 1024 * 1024 + 1, " "), "more than 4194304"],
  ])("refuses %s", (_name, document, message) => {
    expect(() => parseManifest("x", document)).toThrow(
      expect.objectContaining({ code: "ERR_IMAGE_INVALID", message: expect.stringContaining(message) }),
    );
  });
});

describe("choosePlatform", () => {
  const index = (...platforms: (string | undefined)[]) => {
    const manifests = platforms.map((text, number) => {
      const [os, architecture, variant] = text?.split("/") ?? [];
      return {
        ...descriptor(`${OCI}.manifest.v1+json`, String(number)),
        ...(text ? { platform: { os, architecture, variant } } : {}),
      };
    });
    const parsed = parseManifest("x", bytes({ schemaVersion: 2, manifests }));
    if (parsed.kind !== "index") throw new Error("no index");
    return parsed.index;
  };

  it("takes the architecture asked for, of Linux", () => {
    const many = index("windows/amd64", "linux/arm64/v8", "linux/amd64", "unknown/unknown", undefined);
    expect(choosePlatform("x", many, "amd64").digest).toBe(digest("2"));
    expect(choosePlatform("x", many, "arm64").digest).toBe(digest("1"));
  });

  it("takes the variant that every processor of the architecture runs", () => {
    expect(choosePlatform("x", index("linux/amd64/v3", "linux/amd64"), "amd64").digest).toBe(digest("1"));
    expect(choosePlatform("x", index("linux/amd64/v1", "linux/amd64"), "amd64").digest).toBe(digest("1"));
    expect(() => choosePlatform("x", index("linux/amd64/v3"), "amd64")).toThrow("there is linux/amd64/v3");
  });

  it("knows the names that kernels have for architectures, and those of the baseline's variant", () => {
    expect(choosePlatform("x", index("linux/aarch64/v8", "Linux/x86_64"), "amd64").digest).toBe(digest("1"));
    expect(choosePlatform("x", index("linux/arm64/v9", "linux/aarch64/8"), "arm64").digest).toBe(digest("1"));
  });

  it("takes nothing that is no image", () => {
    const { manifests, ...rest } = index("linux/amd64", "linux/amd64");
    const [first, second] = manifests.map((entry, at) => ({
      ...entry,
      ...(at === 0 ? { mediaType: "text/plain" } : {}),
    }));
    expect(choosePlatform("x", { ...rest, manifests: [first, second] } as never, "amd64").digest).toBe(digest("1"));
  });

  it("names no more platforms than a person reads, and says so where none is named", () => {
    const [platform] = index("linux/s0").manifests;
    const manifests = Array.from({ length: 30 }, (_, at) => ({ ...platform, platform: { os: `s${at}` } }));
    expect(() => choosePlatform("x", { schemaVersion: 2, manifests } as never, "amd64")).toThrow(/, s19$/);
    expect(() => choosePlatform("x", index("unknown/unknown"), "amd64")).toThrow("nothing that names its platform");
    expect(() => choosePlatform("x", index("linux/"), "amd64")).toThrow("there is linux");
  });

  it("takes what names no platform where nothing else fits", () => {
    expect(choosePlatform("x", index(undefined, "linux/amd64"), "amd64").digest).toBe(digest("1"));
    expect(choosePlatform("x", index("linux/arm64", undefined), "amd64").digest).toBe(digest("1"));
  });

  it("names the platforms that there are when none fits, attestations left out", () => {
    expect(() => choosePlatform("x", index("linux/s390x", "linux/arm/v7", "unknown/unknown"), "amd64")).toThrow(
      "it has no linux/amd64; there is linux/s390x, linux/arm/v7",
    );
  });

  it("shows what a stranger wrote so that it steers no terminal", () => {
    expect(() => choosePlatform("x", index("li\x1b[2Jnux/\x9bm\n"), "amd64")).toThrow(
      "there is li\ufffd[2Jnux/\ufffdm\ufffd",
    );
    expect(() => parseImageConfig("x", bytes(config({ architecture: "\x1b[2J" })))).not.toThrow("\x1b");
    const labels = { config: { Labels: { "\x1b[2J": 1 } } };
    expect(() => parseImageConfig("x", bytes(config(labels)))).toThrow("config.Labels.\ufffd[2J: ");
  });
});

const config = (changes: object = {}) => ({
  architecture: "amd64",
  os: "linux",
  rootfs: { type: "layers", diff_ids: [digest("d")] },
  ...changes,
});

describe("parseImageConfig", () => {
  it("takes nulls, as Docker writes them, for what is not set", () => {
    const docker = {
      Env: null,
      Entrypoint: null,
      Cmd: null,
      Volumes: null,
      ExposedPorts: null,
      User: "",
      WorkingDir: "",
      Labels: null,
    };
    expect(parseImageConfig("x", bytes(config({ config: docker }))).process).toEqual({
      entrypoint: [],
      cmd: [],
      env: [],
      workdir: "/",
      user: "",
      labels: {},
      exposedPorts: [],
      volumes: [],
    });
  });

  it.each([
    ["amd64", "amd64"],
    ["x86_64", "amd64"],
    ["aarch64", "arm64"],
    ["ARM64", "arm64"],
    ["", undefined],
    [null, undefined],
  ])("reads the architecture %j as %j", (architecture, expected) => {
    expect(parseImageConfig("x", bytes(config({ architecture }))).architecture).toBe(expected);
  });

  it("is for Linux where it names no system", () => {
    expect(parseImageConfig("x", bytes(config({ os: "" }))).diffIds).toEqual([digest("d")]);
  });

  it("has no layers where Go writes null for its diff IDs, or nothing", () => {
    for (const rootfs of [{ type: "layers", diff_ids: null }, null, undefined])
      expect(parseImageConfig("x", bytes(config({ rootfs }))).diffIds).toEqual([]);
  });

  it("leaves out what names no variable, and says so", () => {
    const parsed = parseImageConfig(
      "x",
      bytes(config({ config: { Env: ["LANG=1", "", "=x", "NAME", "A\nB=x", "C="] } })),
    );
    expect(parsed.process.env).toEqual(["LANG=1", "C="]);
    expect(parsed.envLeftOut).toEqual(["", "=x", "NAME", "A\nB=x"]);
  });

  it("keeps the user and the folder of its program", () => {
    const { process } = parseImageConfig("x", bytes(config({ config: { User: "web:80", WorkingDir: "/srv" } })));
    expect(process).toMatchObject({ user: "web:80", workdir: "/srv", env: [] });
  });

  it("keeps every argument as it is", () => {
    const argv = ["a b", "", 'quo"te', "new\nline", "ünï", "$HOME"];
    expect(
      parseImageConfig("x", bytes(config({ config: { Entrypoint: argv, StopSignal: "SIGINT" } }))).process,
    ).toMatchObject({
      entrypoint: argv,
      stopSignal: "SIGINT",
    });
  });

  it.each([
    ["another system", { os: "windows" }, "not for linux"],
    ["another architecture", { architecture: "mips" }, "neither amd64 nor arm64"],
    ["a NUL in an argument", { config: { Cmd: ["a\0b"] } }, "NUL"],
    ["a newline in the working directory", { config: { WorkingDir: "/a\nb" } }, "control character"],
    ["diff IDs that are none", { rootfs: { type: "layers", diff_ids: ["sha256:1"] } }, "rootfs.diff_ids.0"],
  ])("refuses %s", (_name, changes, message) => {
    expect(() => parseImageConfig("x", bytes(config(changes)))).toThrow(message);
  });
});

describe("selectImage", () => {
  const configBytes = bytes(config());
  const describe = (what: string, content: Buffer) => ({
    ...descriptor(`${OCI}.${what}.v1+json`),
    digest: digestOf(content),
    size: content.length,
  });
  const manifestBytes = bytes(manifest({ config: describe("config", configBytes) }));
  const documents = (changes: { manifest?: Buffer; config?: Buffer } = {}) => ({
    manifest: async () => changes.manifest ?? manifestBytes,
    config: async () => changes.config ?? configBytes,
  });
  const options = { architecture: "amd64", pins: [] } as const;

  it("gives the digest of the manifest and the diff IDs of the layers", async () => {
    const image = await selectImage("x", documents(), options);
    expect(image).toMatchObject({ digest: digestOf(manifestBytes), diffIds: [digest("d")] });
  });

  it("refuses a manifest that is not what the caller pinned", async () => {
    await expect(selectImage("x", documents(), { ...options, pins: [digest("0")] })).rejects.toThrow(
      "its manifest has digest",
    );
  });

  it("refuses a config that is not what the manifest names", async () => {
    await expect(selectImage("x", documents({ config: bytes(config({ created: "now" })) }), options)).rejects.toThrow(
      "its config has digest",
    );
  });

  it("refuses one manifest of an index that is not what the index names", async () => {
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

  it("refuses an image for another architecture than was asked for", async () => {
    await expect(selectImage("x", documents(), { ...options, architecture: "arm64" })).rejects.toThrow(
      "it is for amd64",
    );
  });

  it("refuses a config with more or fewer diff IDs than there are layers", async () => {
    const two = bytes(config({ rootfs: { type: "layers", diff_ids: [digest("d"), digest("e")] } }));
    const named = bytes(manifest({ config: describe("config", two) }));
    await expect(selectImage("x", documents({ manifest: named, config: two }), options)).rejects.toThrow(
      "1 layers and its config 2",
    );
  });

  it("takes the architecture that was asked for where the config names none", async () => {
    const silent = bytes(config({ architecture: "" }));
    const named = bytes(manifest({ config: describe("config", silent) }));
    const image = await selectImage("x", documents({ manifest: named, config: silent }), {
      ...options,
      architecture: "arm64",
    });
    expect(image.architecture).toBe("arm64");
  });

  it("refuses a document of another size than its descriptor says", async () => {
    const lying = bytes(manifest({ config: { ...describe("config", configBytes), size: 1 } }));
    await expect(selectImage("x", documents({ manifest: lying }), options)).rejects.toThrow(
      `its config has ${configBytes.length} bytes, not 1`,
    );
  });

  it("follows an index in an index, and no more than a few", async () => {
    const nested = (depth: number) => {
      const byDigest = new Map([[digestOf(manifestBytes), manifestBytes]]);
      let top = manifestBytes;
      for (let level = 0; level < depth; level++) {
        const what = level === 0 ? "manifest" : "index";
        top = bytes({ schemaVersion: 2, manifests: [describe(what, top)] });
        byDigest.set(digestOf(top), top);
      }
      return { ...documents(), manifest: async (name?: string) => (name && byDigest.get(name)) || top };
    };
    expect((await selectImage("x", nested(3), options)).digest).toBe(digestOf(manifestBytes));
    await expect(selectImage("x", nested(6), options)).rejects.toThrow("more than 4 indexes in one another");
  });
});
