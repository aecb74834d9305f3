import { describe, expect, it } from "vitest";
import { parseImageConfig } from "../../src/image/config.ts";
import { assertFetched, parseManifest } from "../../src/image/manifest.ts";
import { mediaKind } from "../../src/image/media-type.ts";
import { bytes, config, DOCKER, descriptor, digest, manifest, OCI } from "../support/documents.ts";

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
      "a manifest of layers that a registry may not serve",
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
    [
      "a manifest that says it is an index",
      bytes(manifest({ mediaType: `${OCI}.index.v1+json` })),
      "has the media type",
    ],
    [
      "an artifact whose config is of no type",
      bytes(manifest({ config: descriptor("application/octet-stream"), artifactType: "application/x-model" })),
      'an artifact ("application/x-model")',
    ],
    [
      "a layer that is not a tar",
      bytes(manifest({ layers: [descriptor("application/vnd.in-toto+json")] })),
      "is not a tar",
    ],
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

describe("parseManifest of documents at their limits", () => {
  it("accepts the maximum of bytes and layers, and no more", () => {
    const most = 4 * 1024 * 1024;
    const text = JSON.stringify(manifest());
    expect(parseManifest("x", Buffer.from(text.padEnd(most))).kind).toBe("manifest");
    expect(() => parseManifest("x", Buffer.from(text.padEnd(most + 1)))).toThrow("is 4194305 bytes long");
    const layers = (count: number) => bytes(manifest({ layers: Array(count).fill(descriptor(`${OCI}.layer.v1.tar`)) }));
    expect(parseManifest("x", layers(500)).kind).toBe("manifest");
    expect(() => parseManifest("x", layers(501))).toThrow("its manifest is malformed: layers: ");
  });

  it.each([undefined, `${OCI}.index.v1+json`, `${DOCKER}.distribution.manifest.list.v2+json`])(
    "reads an index whose media type is %s",
    (mediaType) => {
      const index = { schemaVersion: 2, mediaType, manifests: [descriptor(`${OCI}.manifest.v1+json`)], layers: null };
      expect(parseManifest("x", bytes(index))).toMatchObject({ kind: "index", index: { manifests: [{ size: 1 }] } });
    },
  );

  it("refuses an index with the media type of a manifest, and a malformed one", () => {
    const index = { schemaVersion: 2, mediaType: `${OCI}.manifest.v1+json`, manifests: [] };
    expect(() => parseManifest("x", bytes(index))).toThrow("an index has the media type");
    expect(() => parseManifest("x", bytes({ schemaVersion: 2, manifests: [{}] }))).toThrow("its index is malformed: ");
  });

  it("names the first three faults by their places, and a fault of the whole", () => {
    expect(() => parseManifest("x", bytes(manifest({ config: {}, layers: [{}] })))).toThrow(
      /its manifest is malformed: config\.mediaType: [^;]+; config\.digest: [^;]+; config\.size: [^;]+$/,
    );
    expect(() => parseManifest("x", bytes([]))).toThrow("its manifest is malformed: (top): ");
  });

  it("keeps the reason why a document cannot be read as the cause", () => {
    for (const document of [Buffer.from("{"), bytes([])])
      expect(() => parseManifest("x", document)).toThrow(expect.objectContaining({ cause: expect.any(Error) }));
  });

  it("names the layer that is not a tar, and the type of an artifact whose config tells it", () => {
    const chart = descriptor("application/x-chart", "f");
    expect(() => parseManifest("x", bytes(manifest({ layers: [...manifest().layers, chart] })))).toThrow(
      `layer 1 (${digest("f")}) is not a tar but "application/x-chart"`,
    );
    expect(() => parseManifest("x", bytes(manifest({ config: chart })))).toThrow('an artifact ("application/x-chart")');
  });
});

describe("a layer with urls", () => {
  const layer = descriptor(`${OCI}.layer.v1.tar`);

  it("is refused, because its content may lie outside of the registry", () => {
    expect(() => assertFetched("x", [layer, { ...layer, urls: ["https://h.x"] }])).toThrow(
      /^image x: layer 1 .* has urls/,
    );
  });

  it("is accepted if the list is empty", () => {
    for (const urls of [undefined, null, []]) assertFetched("x", [{ ...layer, urls }]);
  });
});

describe("mediaKind", () => {
  it.each([
    [`${OCI}.index.v1+json`, "index"],
    [`${DOCKER}.distribution.manifest.list.v2+json`, "index"],
    [`${OCI}.manifest.v1+json`, "manifest"],
    [`${DOCKER}.distribution.manifest.v2+json`, "manifest"],
    [`${OCI}.config.v1+json`, "config"],
    [`${DOCKER}.container.image.v1+json`, "config"],
    [`${OCI}.layer.v1.tar+zstd`, "layer"],
    [`${DOCKER}.image.rootfs.diff.tar.zstd`, "layer"],
    [`${OCI}.layer.nondistributable.v1.tar+gzip`, "foreign-layer"],
    ["application/vnd.in-toto+json", "other"],
    ["", "other"],
  ])("of %s is %s", (type, kind) => {
    expect(mediaKind(type)).toBe(kind);
  });
});

describe("parseImageConfig", () => {
  it("accepts nulls, which Docker writes for unset values", () => {
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

  it("is for Linux if it names no system", () => {
    expect(parseImageConfig("x", bytes(config({ os: "" }))).diffIds).toEqual([digest("d")]);
  });

  it("has no layers if its diff IDs are null or missing", () => {
    for (const rootfs of [{ type: "layers", diff_ids: null }, null, undefined])
      expect(parseImageConfig("x", bytes(config({ rootfs }))).diffIds).toEqual([]);
  });

  it("leaves out entries that name no variable, and lists them", () => {
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

  it("shows a stranger's text without control characters", () => {
    expect(() => parseImageConfig("x", bytes(config({ architecture: "\x1b[2J" })))).not.toThrow("\x1b");
    const labels = { config: { Labels: { "\x1b[2J": 1 } } };
    expect(() => parseImageConfig("x", bytes(config(labels)))).toThrow("config.Labels.\ufffd[2J: ");
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
