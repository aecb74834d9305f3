import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ImportOptions } from "@pileus/core";
import { spawn } from "@pileus/core/driver";
import { lacking, requires } from "@pileus/core/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Registry, startRegistry } from "../../../../test-support/registry.ts";
import { digestOf } from "../../src/image/manifest.ts";
import { ociSource } from "../../src/image/source.ts";
import { type buildImage as Build, buildImage } from "../support/build-image.ts";
import { makeCertificates } from "../support/certificate.ts";
import { fakeDraft } from "../support/fake-draft.ts";

const PLAIN = { registry: { tlsVerify: false } };
const source = ociSource(spawn);
let folder: string;
let registry: Registry;
let image: Awaited<ReturnType<typeof Build>>;
let reference: string;

/** Imports into a fresh draft. */
async function load(from: string, options: ImportOptions = PLAIN, known: readonly string[] = [], by = source) {
  const draft = await fakeDraft(folder, new Set(known));
  const description = await by.import(from, draft, options);
  return { draft, description };
}

async function push(from: string, name: string, ...options: string[]) {
  await spawn([
    "skopeo",
    "copy",
    "--quiet",
    "--dest-tls-verify=false",
    ...options,
    from,
    `docker://${registry.address}/${name}`,
  ]);
  return `docker://${registry.address}/${name}`;
}

const blobOf = ({ folder: disk }: Registry, digest: string) => {
  const hex = digest.slice("sha256:".length);
  return join(disk, "blobs/docker/registry/v2/blobs/sha256", hex.slice(0, 2), hex, "data");
};

const NEEDS = ["root", "binary:skopeo", "binary:openssl"] as const;
const real = (test: () => Promise<void>) => requires(NEEDS, test);

beforeAll(async () => {
  if (NEEDS.some((need) => lacking(need) !== undefined)) return;
  folder = await mkdtemp(join(tmpdir(), "pileus-oci-source-"));
  registry = await startRegistry();
  image = await buildImage(folder, "a", ["busybox", { "etc/motd": "hello" }, { "etc/.wh.motd": "" }], {
    entrypoint: ["/bin/sh", "-c"],
    stopSignal: "SIGINT",
  });
  reference = await push(image.source, "a:1");
});
afterAll(async () => {
  await registry?.[Symbol.asyncDispose]();
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
});

describe("an import from a registry", () => {
  it(
    "hands over each layer with its digests and says what the image runs",
    real(async () => {
      const { draft, description } = await load(reference);
      expect(draft.opened).toEqual(image.diffIds);
      expect(description).toMatchObject({
        kind: "oci",
        fingerprint: image.config,
        process: { entrypoint: ["/bin/sh", "-c"], stopSignal: "SIGINT" },
        properties: { "oci.manifest": image.manifest },
      });
    }),
  );

  it(
    "reports the bytes that it fetches, up to the last",
    real(async () => {
      const seen: { phase: string; done: number; total?: number | undefined }[] = [];
      await load(reference, { ...PLAIN, onProgress: (progress) => seen.push(progress) });
      expect(seen.map(({ done }) => done)).toEqual(seen.map(({ done }) => done).sort((a, b) => a - b));
      expect(seen.at(0)).toMatchObject({ phase: "fetch", done: 0 });
      expect(seen.at(-1)?.done).toBe(seen.at(-1)?.total);
    }),
  );

  it(
    "rejects with what a progress listener throws",
    real(async () => {
      const reason = new Error("listener");
      const onProgress = () => {
        throw reason;
      };
      await expect(load(reference, { ...PLAIN, onProgress })).rejects.toBe(reason);
    }),
  );

  it(
    "fetches nothing when the store has every layer",
    real(async () => {
      const { draft } = await load(reference, PLAIN, image.diffIds);
      expect(existsSync(join(draft.folder, "layout"))).toBe(false);
    }),
  );

  it(
    "fetches only the layers that the store lacks",
    real(async () => {
      const { draft } = await load(reference, PLAIN, image.diffIds.slice(0, 1));
      expect(draft.opened).toEqual(image.diffIds.slice(1));
      const blobs = join(draft.folder, "layout/blobs/sha256");
      const used = await Promise.all(
        (await readdir(blobs)).map(async (name) => (await stat(join(blobs, name))).blocks),
      );
      // The base is a megabyte; blocks are 512 bytes.
      expect(used.reduce((sum, blocks) => sum + blocks, 0) * 512).toBeLessThan(100_000);
    }),
  );

  it(
    "fetches a layer that stands in the image twice though the store has its lower place",
    real(async () => {
      const twice = await buildImage(folder, "twice", [{ a: "a" }, { b: "b" }, { a: "a" }]);
      const { draft } = await load(await push(twice.source, "twice:1"), PLAIN, []);
      expect(draft.opened).toEqual(twice.diffIds);
    }),
  );

  it(
    "keeps Docker's manifests and configs as they are",
    real(async () => {
      const docker = await push(image.source, "docker:1", "--format", "v2s2");
      const { description, draft } = await load(docker);
      const manifest = await readFile(blobOf(registry, description.properties["oci.manifest"] ?? ""));
      expect(JSON.parse(manifest.toString()).mediaType).toBe("application/vnd.docker.distribution.manifest.v2+json");
      expect(draft.opened).toEqual(image.diffIds);
    }),
  );

  it(
    "takes the image of the host's architecture out of an index",
    real(async () => {
      const { layout } = await writeIndex("multi");
      const { description } = await load(await push(`oci:${layout}:all`, "multi:1", "--all"));
      expect(description.fingerprint).toBe(image.config);
    }),
  );

  it(
    "holds to the digest of the reference, and to that of the options",
    real(async () => {
      const pinned = `docker://${registry.address}/a@${image.manifest}`;
      expect((await load(pinned)).description.fingerprint).toBe(image.config);
      await load(`docker://${registry.address}/a:none@${image.manifest}`, { ...PLAIN, digest: image.manifest });
      const other = `sha256:${"0".repeat(64)}`;
      await expect(load(reference, { ...PLAIN, digest: other })).rejects.toMatchObject({ code: "ERR_INSTANCE_IMAGE" });
      await expect(load(`docker://${registry.address}/a@${other}`)).rejects.toMatchObject({
        code: "ERR_INSTANCE_NOT_FOUND",
      });
      await expect(load(reference, { ...PLAIN, digest: "sha256:12" })).rejects.toMatchObject({
        code: "ERR_INSTANCE_CONFIG",
      });
    }),
  );

  for (const name of ["a:none", "none:1"])
    it(
      `rejects with NotFoundError for ${name}`,
      real(async () => {
        await expect(load(`docker://${registry.address}/${name}`)).rejects.toMatchObject({
          code: "ERR_INSTANCE_NOT_FOUND",
        });
      }),
    );

  it(
    "rejects with ConnectionError when nobody listens",
    real(async () => {
      await expect(load("docker://127.0.0.1:1/a:1")).rejects.toMatchObject({ code: "ERR_INSTANCE_CONNECTION" });
    }),
  );

  it(
    "speaks plain HTTP only when told to",
    real(async () => {
      await expect(load(reference, {})).rejects.toMatchObject({
        code: "ERR_INSTANCE_CONNECTION",
        message: expect.stringContaining("tlsVerify"),
      });
      const told = ociSource(spawn, { registries: { [registry.address]: { tlsVerify: false } } });
      await load(reference, {}, [], told);
    }),
  );

  it(
    "rejects with the abort's reason, and skopeo is gone",
    real(async () => {
      const silent = createServer();
      await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
      const { port } = silent.address() as { port: number };
      const connected = new Promise<Socket>((resolve) => silent.once("connection", resolve));
      const controller = new AbortController();
      const loading = load(`docker://127.0.0.1:${port}/a:1`, { ...PLAIN, signal: controller.signal });
      const closed = connected.then((socket) => new Promise((resolve) => socket.resume().once("close", resolve)));
      await connected;
      const reason = new Error("enough");
      controller.abort(reason);
      await expect(loading).rejects.toBe(reason);
      await closed;
      silent.close();
    }),
  );
});

describe("an import from a damaged registry", () => {
  for (const how of ["changed", "cut short", "missing"])
    it(
      `rejects a layer that was ${how} on its disk`,
      real(async () => {
        const name = how.replace(" ", "");
        const victim = await buildImage(folder, name, [{ only: randomBytes(8192).toString("hex") }]);
        const from = await push(victim.source, `${name}:1`);
        const [layer] = JSON.parse((await readFile(blobOf(registry, victim.manifest))).toString()).layers;
        const blob = blobOf(registry, layer.digest);
        if (how === "missing") await rm(blob);
        else if (how === "cut short") await truncate(blob, 4096);
        else {
          const bytes = await readFile(blob);
          bytes[3000] = 1 ^ (bytes[3000] ?? 0);
          await writeFile(blob, bytes);
        }
        await expect(load(from)).rejects.toMatchObject({ code: "ERR_INSTANCE_IMAGE" });
      }),
    );
});

describe("an import over TLS", () => {
  it(
    "trusts the CA that it was given, and no other",
    real(async () => {
      const { certDir, tls } = await makeCertificates(join(folder, "tls"));
      await using secure = await startRegistry({ tls });
      const name = `docker://${secure.address}/a:1`;
      await spawn(["skopeo", "copy", "--quiet", "--dest-cert-dir", certDir, image.source, name]);
      expect((await load(name, { registry: { certDir } })).description.fingerprint).toBe(image.config);
      await load(name, {}, [], ociSource(spawn, { registries: { [secure.address]: { certDir } } }));
      await expect(load(name, {})).rejects.toMatchObject({
        code: "ERR_INSTANCE_CONNECTION",
        message: expect.stringContaining("certDir"),
      });
    }),
  );
});

describe("an import from a folder or file", () => {
  it(
    "reads a layout where it is",
    real(async () => {
      const { draft, description } = await load(image.source, {});
      expect(draft.opened).toEqual(image.diffIds);
      expect(description.fingerprint).toBe(image.config);
      expect(existsSync(join(draft.folder, "layout"))).toBe(false);
    }),
  );

  it(
    "wants a tag where a layout has several images, and names those there are",
    real(async () => {
      await expect(load(`oci:${folder}/layout`, {})).rejects.toThrow("name one by its tag");
      await expect(load(`oci:${folder}/layout:none`, {})).rejects.toThrow(/the layout has .*twice/);
      await expect(load(`oci:${folder}/nowhere`, {})).rejects.toMatchObject({ code: "ERR_INSTANCE_NOT_FOUND" });
      await expect(load(`oci:${folder}`, {})).rejects.toMatchObject({ code: "ERR_INSTANCE_IMAGE" });
    }),
  );

  it(
    "opens neither a fifo nor a link in a layout's place of a blob",
    real(async () => {
      for (const [name, argv] of [
        ["fifo", ["mkfifo"]],
        ["link", ["ln", "-s", "/dev/zero"]],
      ] as const) {
        const { layout } = await writeIndex(name);
        const blob = join(layout, "blobs/sha256", image.config.slice("sha256:".length));
        await rm(blob);
        await spawn([...argv, blob]);
        await expect(load(`oci:${layout}:all`, {})).rejects.toThrow("its config");
      }
    }),
  );

  it(
    "reads an OCI archive of several platforms",
    real(async () => {
      const { layout, digest } = await writeIndex("archive");
      const archive = join(folder, "oci.tar");
      await spawn(["skopeo", "copy", "--quiet", "--all", `oci:${layout}:all`, `oci-archive:${archive}:tag`]);
      for (const from of [`oci-archive:${archive}:tag`, `oci-archive:${archive}`]) {
        const { draft, description } = await load(from, { digest });
        expect(draft.opened).toEqual(image.diffIds);
        expect(description.fingerprint).toBe(image.config);
      }
    }),
  );

  it(
    "reads a Docker archive, whose digest is the file's",
    real(async () => {
      const archive = join(folder, "docker.tar");
      await spawn(["skopeo", "copy", "--quiet", image.source, `docker-archive:${archive}:name:1`]);
      const digest = digestOf(await readFile(archive));
      const { draft, description } = await load(`docker-archive:${archive}:name:1`, { digest });
      expect(draft.opened).toEqual(image.diffIds);
      expect(description.process?.entrypoint).toEqual(["/bin/sh", "-c"]);
      const other = { digest: `sha256:${"0".repeat(64)}` };
      await expect(load(`docker-archive:${archive}`, other)).rejects.toThrow("the file has digest");
      await expect(load(`docker-archive:${archive}:other:1`, {})).rejects.toMatchObject({
        code: "ERR_INSTANCE_NOT_FOUND",
      });
    }),
  );

  for (const kind of ["oci-archive", "docker-archive"])
    it(
      `rejects with ImageError for a file that is no ${kind}`,
      real(async () => {
        const junk = join(folder, "junk");
        await writeFile(junk, "junk".repeat(1000));
        await expect(load(`${kind}:${junk}`, {})).rejects.toMatchObject({ code: "ERR_INSTANCE_IMAGE" });
        await expect(load(`${kind}:${junk}-not`, {})).rejects.toMatchObject({ code: "ERR_INSTANCE_NOT_FOUND" });
      }),
    );
});

/** A layout of its own with the image, tagged `all`, as one of two platforms of an index. */
async function writeIndex(name: string) {
  const draft = join(folder, `index-${name}`);
  await mkdir(draft, { recursive: true });
  const layout = join(draft, "layout");
  await spawn(["skopeo", "copy", "--quiet", image.source, `oci:${layout}:one`]);
  const put = async (path: string, value: unknown) => writeFile(join(layout, path), JSON.stringify(value));
  const blob = async (mediaType: string, value: unknown) => {
    const bytes = Buffer.from(JSON.stringify(value));
    const hash = digestOf(bytes);
    await writeFile(join(layout, "blobs/sha256", hash.slice("sha256:".length)), bytes);
    return { mediaType, digest: hash, size: bytes.length };
  };
  const [one] = JSON.parse(await readFile(join(layout, "index.json"), "utf8")).manifests;
  const manifest = JSON.parse(await readFile(join(layout, "blobs/sha256", one.digest.slice(7)), "utf8"));
  const foreign = await blob("application/vnd.oci.image.config.v1+json", {
    architecture: "s390x",
    os: "linux",
    config: {},
    rootfs: { type: "layers", diff_ids: image.diffIds },
  });
  const other = await blob("application/vnd.oci.image.manifest.v1+json", { ...manifest, config: foreign });
  const index = await blob("application/vnd.oci.image.index.v1+json", {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: [
      { ...other, platform: { os: "linux", architecture: "s390x" } },
      {
        mediaType: one.mediaType,
        digest: one.digest,
        size: one.size,
        platform: { os: "linux", architecture: process.arch === "x64" ? "amd64" : "arm64" },
      },
    ],
  });
  await put("index.json", {
    schemaVersion: 2,
    manifests: [{ ...index, annotations: { "org.opencontainers.image.ref.name": "all" } }],
  });
  return { layout, digest: index.digest };
}
