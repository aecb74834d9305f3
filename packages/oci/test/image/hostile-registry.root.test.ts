import { createServer } from "node:http";
import { type AddressInfo, createServer as createSocketServer } from "node:net";
import { spawn } from "@pileus/core/driver";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { digestOf } from "../../src/image/manifest.ts";
import { ociSource } from "../../src/image/source.ts";
import { real, SourceFixture } from "../support/source-fixture.ts";

const OCI = "application/vnd.oci.image";
let fixture: SourceFixture;
beforeAll(async () => {
  fixture = (await SourceFixture.open()) as SourceFixture;
});
afterAll(() => fixture?.close());

/** A registry with one image, whose layer has `size` bytes by its descriptor and never ends. */
class EndlessRegistry implements AsyncDisposable {
  sent = 0;
  readonly #server = createServer();

  static async start(size: number): Promise<EndlessRegistry> {
    const layer = { mediaType: `${OCI}.layer.v1.tar`, digest: `sha256:${"e".repeat(64)}`, size };
    const config = Buffer.from(
      JSON.stringify({
        architecture: process.arch === "arm64" ? "arm64" : "amd64",
        os: "linux",
        rootfs: { type: "layers", diff_ids: [layer.digest] },
      }),
    );
    const mediaType = `${OCI}.manifest.v1+json`;
    const configAs = { mediaType: `${OCI}.config.v1+json`, digest: digestOf(config), size: config.length };
    const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config: configAs, layers: [layer] }));
    const registry = new EndlessRegistry();
    registry.#server.on("request", (request, response) => {
      const { url = "" } = request;
      if (url.includes("/manifests/")) response.setHeader("Content-Type", mediaType).end(manifest);
      else if (url.endsWith(configAs.digest)) response.end(config);
      else if (url.endsWith(layer.digest)) {
        const zeros = Buffer.alloc(2 ** 20);
        const more = () => {
          while (!response.destroyed && response.write(zeros)) registry.sent += zeros.length;
        };
        response.on("drain", more);
        more();
      } else response.end("{}");
    });
    await new Promise<void>((resolve) => registry.#server.listen(0, "127.0.0.1", resolve));
    return registry;
  }

  get reference(): string {
    return `docker://127.0.0.1:${(this.#server.address() as AddressInfo).port}/a:1`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

describe("an import from a registry that sends false data", () => {
  const plain = { registry: { tlsVerify: false } };

  it(
    "ends a layer that is longer than its manifest declares, with ImageError",
    real(async () => {
      await using registry = await EndlessRegistry.start(1000);
      await expect(fixture.load(registry.reference, plain)).rejects.toMatchObject({
        code: "ERR_IMAGE_INVALID",
        message: expect.stringContaining("more than 4194304 bytes, which is the limit"),
      });
      expect(registry.sent).toBeLessThan(64 * 2 ** 20);
    }),
  );

  it(
    "does not fetch layers whose declared size exceeds the limit",
    real(async () => {
      await using registry = await EndlessRegistry.start(Number.MAX_SAFE_INTEGER);
      await expect(fixture.load(registry.reference, plain)).rejects.toMatchObject({
        code: "ERR_IMAGE_INVALID",
        message: expect.stringContaining("layer 0 has more than 1073741824 bytes"),
      });
      expect(registry.sent).toBe(0);
    }),
  );
});

describe("an import from a registry that accepts the connection and sends nothing", () => {
  const silent = async (use: (reference: string) => Promise<void>) => {
    const sockets = new Set<{ destroy(): void }>();
    const server = createSocketServer((socket) => sockets.add(socket.on("error", () => undefined)));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      await use(`docker://127.0.0.1:${(server.address() as AddressInfo).port}/a:1`);
    } finally {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    }
  };

  it(
    "fails by itself, naming the registry",
    real(() =>
      silent(async (reference) => {
        const impatient = ociSource(spawn, { stallTimeout: 600 });
        await expect(fixture.load(reference, {}, [], impatient)).rejects.toMatchObject({
          code: "ERR_CONNECTION",
          message: expect.stringMatching(/registry 127\.0\.0\.1:\d+: it has sent nothing for 600 ms/),
        });
      }),
    ),
  );

  it(
    "ends with the caller's signal, for the caller's reason",
    real(() =>
      silent(async (reference) => {
        const reason = new Error("mine");
        const begin = performance.now();
        const signal = AbortSignal.timeout(300);
        await expect(fixture.load(reference, { signal })).rejects.toMatchObject({ name: "TimeoutError" });
        expect(performance.now() - begin).toBeLessThan(3000);
        await expect(fixture.load(reference, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
      }),
    ),
  );
});
