import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import type { ImportOptions } from "@pileus/core";
import { spawn } from "@pileus/core/driver";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Registry, startRegistry } from "../../../../test-support/registry.ts";
import { ociSource } from "../../src/image/source.ts";
import { buildImage } from "../support/build-image.ts";
import { makeCertificates } from "../support/certificate.ts";
import { real, SourceFixture, source } from "../support/source-fixture.ts";

const PLAIN = { registry: { tlsVerify: false } };
let fixture: SourceFixture;
let registry: Registry;
let reference: string;

beforeAll(async () => {
  const opened = await SourceFixture.open();
  if (opened === undefined) return;
  fixture = opened;
  registry = await startRegistry();
  reference = await push(fixture.image.source, "a:1");
});
afterAll(async () => {
  await registry?.[Symbol.asyncDispose]();
  await fixture?.close();
});

const load = (from: string, options: ImportOptions = PLAIN, known: readonly string[] = [], by = source) =>
  fixture.load(from, options, known, by);

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

describe("an import from a registry", () => {
  it(
    "passes on each layer with its digests, and what the image runs",
    real(async () => {
      const { draft, description } = await load(reference);
      expect(draft.opened).toEqual(fixture.image.diffIds);
      expect(description).toMatchObject({
        kind: "oci",
        fingerprint: fixture.image.config,
        process: { entrypoint: ["/bin/sh", "-c"], stopSignal: "SIGINT" },
        properties: { "oci.manifest": fixture.image.manifest },
      });
    }),
  );

  it(
    "reports the fetched bytes, up to the last",
    real(async () => {
      const seen: { phase: string; done: number; total?: number | undefined }[] = [];
      await load(reference, { ...PLAIN, onProgress: (progress) => seen.push(progress) });
      expect(seen.map(({ done }) => done)).toEqual(seen.map(({ done }) => done).sort((a, b) => a - b));
      expect(seen.at(0)).toMatchObject({ phase: "fetch", done: 0 });
      expect(seen.at(-1)?.done).toBe(seen.at(-1)?.total);
    }),
  );

  it(
    "rejects with the error that a progress listener throws",
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
      const { draft } = await load(reference, PLAIN, fixture.image.diffIds);
      expect(existsSync(join(draft.folder, "layout"))).toBe(false);
    }),
  );

  it(
    "fetches only the layers that the store lacks",
    real(async () => {
      const { draft } = await load(reference, PLAIN, fixture.image.diffIds.slice(0, 1));
      expect(draft.opened).toEqual(fixture.image.diffIds.slice(1));
      const blobs = join(draft.folder, "layout/blobs/sha256");
      const used = await Promise.all(
        (await readdir(blobs)).map(async (name) => (await stat(join(blobs, name))).blocks),
      );
      // The base is a megabyte; blocks are 512 bytes.
      expect(used.reduce((sum, blocks) => sum + blocks, 0) * 512).toBeLessThan(100_000);
    }),
  );

  it(
    "fetches a layer that occurs twice in the image, even if the store has the lower one",
    real(async () => {
      const twice = await buildImage(fixture.folder, "twice", [{ a: "a" }, { b: "b" }, { a: "a" }]);
      const { draft } = await load(await push(twice.source, "twice:1"), PLAIN, []);
      expect(draft.opened).toEqual(twice.diffIds);
    }),
  );

  it(
    "keeps Docker's manifests and configs unchanged",
    real(async () => {
      const docker = await push(fixture.image.source, "docker:1", "--format", "v2s2");
      const { description, draft } = await load(docker);
      const manifest = await readFile(blobOf(registry, description.properties["oci.manifest"] ?? ""));
      expect(JSON.parse(manifest.toString()).mediaType).toBe("application/vnd.docker.distribution.manifest.v2+json");
      expect(draft.opened).toEqual(fixture.image.diffIds);
    }),
  );

  it(
    "chooses the image of the host's architecture from an index",
    real(async () => {
      const { layout } = await fixture.writeIndex("multi");
      const { description } = await load(await push(`oci:${layout}:all`, "multi:1", "--all"));
      expect(description.fingerprint).toBe(fixture.image.config);
    }),
  );

  it(
    "enforces the digest of the reference, and that of the options",
    real(async () => {
      const pinned = `docker://${registry.address}/a@${fixture.image.manifest}`;
      expect((await load(pinned)).description.fingerprint).toBe(fixture.image.config);
      await load(`docker://${registry.address}/a:none@${fixture.image.manifest}`, {
        ...PLAIN,
        digest: fixture.image.manifest,
      });
      const other = `sha256:${"0".repeat(64)}`;
      await expect(load(reference, { ...PLAIN, digest: other })).rejects.toMatchObject({ code: "ERR_IMAGE_INVALID" });
      await expect(load(`docker://${registry.address}/a@${other}`)).rejects.toMatchObject({
        code: "ERR_IMAGE_NOT_FOUND",
      });
    }),
  );

  for (const name of ["a:none", "none:1"])
    it(
      `rejects with NotFoundError for ${name}`,
      real(async () => {
        await expect(load(`docker://${registry.address}/${name}`)).rejects.toMatchObject({
          code: "ERR_IMAGE_NOT_FOUND",
        });
      }),
    );

  it(
    "rejects with ConnectionError when nothing listens",
    real(async () => {
      await expect(load("docker://127.0.0.1:1/a:1")).rejects.toMatchObject({ code: "ERR_CONNECTION" });
    }),
  );

  it(
    "speaks plain HTTP only on request",
    real(async () => {
      await expect(load(reference, {})).rejects.toMatchObject({
        code: "ERR_CONNECTION",
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
  for (const [how, code] of [
    ["changed", "ERR_IMAGE_INVALID"],
    ["cut short", "ERR_IMAGE_INVALID"],
    ["missing", "ERR_IMAGE_NOT_FOUND"],
  ] as const)
    it(
      `rejects a layer that was ${how} on its disk with ${code}`,
      real(async () => {
        const name = how.replace(" ", "");
        const victim = await buildImage(fixture.folder, name, [{ only: randomBytes(8192).toString("hex") }]);
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
        await expect(load(from)).rejects.toMatchObject({ code });
      }),
    );
});

describe("an import over TLS", () => {
  it(
    "trusts the given CA, and no other",
    real(async () => {
      const { certDir, tls } = await makeCertificates(join(fixture.folder, "tls"));
      await using secure = await startRegistry({ tls });
      const name = `docker://${secure.address}/a:1`;
      await spawn(["skopeo", "copy", "--quiet", "--dest-cert-dir", certDir, fixture.image.source, name]);
      expect((await load(name, { registry: { certDir } })).description.fingerprint).toBe(fixture.image.config);
      await load(name, {}, [], ociSource(spawn, { registries: { [secure.address]: { certDir } } }));
      await expect(load(name, {})).rejects.toMatchObject({
        code: "ERR_CONNECTION",
        message: expect.stringContaining("certDir"),
      });
    }),
  );
});
