import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { importHint, prefixed } from "../../src/images/import-hint.ts";
import { openHost } from "../../src/index.ts";
import { fake } from "../../src/testing/index.ts";

let folder: string;
const open = () => openHost({ root: join(folder, "root"), drivers: [fake()] });
let host: Awaited<ReturnType<typeof open>>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "pileus-import-hint-"));
  await mkdir(join(folder, "layout"));
  await writeFile(join(folder, "layout", "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  host = await open();
});
afterAll(async () => {
  await host[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const CALLS = {
  "images.import": (source: string) => host.images.import(source),
  "images.get": (source: string) => host.images.get(source),
  create: (image: string) => host.create({ name: "a", driver: "fake", image }),
};
const DIGEST = `sha256:${"ab".repeat(32)}`;

describe.each(Object.entries(CALLS))("%s", (_name, call) => {
  const told = async (source: string) => String(await call(source).catch((error: unknown) => error));

  it.each([
    ["alpine", "docker://alpine, in full docker://docker.io/library/alpine"],
    ["redis:7", "docker://redis:7, in full docker://docker.io/library/redis:7"],
    [`nginx@${DIGEST}`, `docker://nginx@${DIGEST}, in full docker://docker.io/library/nginx@${DIGEST}`],
    [`nginx:1@${DIGEST}`, `docker://nginx:1@${DIGEST}, in full docker://docker.io/library/nginx:1@${DIGEST}`],
    ["bitnami/redis", "docker://bitnami/redis, in full docker://docker.io/bitnami/redis"],
    ["node:22-bookworm-slim", "docker://node:22-bookworm-slim, in full"],
    ["ghcr.io/x/y", "an image of a registry is docker://ghcr.io/x/y"],
    ["localhost/x:1", "an image of a registry is docker://localhost/x:1"],
    ["127.0.0.1:5000/x:1", "an image of a registry is docker://127.0.0.1:5000/x:1"],
  ])("says that %s lacks its prefix", async (source, spelling) => {
    expect(await told(source)).toContain(spelling);
  });

  it("says how to write the folder of an OCI layout, with and without a tag", async () => {
    const layout = join(folder, "layout");
    expect(await told(layout)).toContain(`oci:${layout}`);
    expect(await told(`${layout}:1.0`)).toContain(`oci:${layout}:1.0`);
  });

  it.each([
    ["images:debian/12", 'the images of Incus are not downloaded: import { type: "debian", suite: "bookworm" }'],
    ["docker-daemon:busybox", "docker save -o image.tar busybox, and import docker-archive:image.tar"],
    ["containers-storage:x/y:1", "podman save -o image.tar x/y:1, and import docker-archive:image.tar"],
    ["file:///srv/rootfs", "write the path alone: /srv/rootfs"],
    ["file://localhost/srv/rootfs", "write the path alone: /srv/rootfs"],
    ["file:rootfs.tar", "write the path alone: rootfs.tar"],
  ])("says what stands here for %s of another tool", async (source, cure) => {
    expect(await told(source)).toContain(cure);
    expect(await told(source)).not.toContain("docker://");
  });

  it.each(["/nowhere/rootfs", "./nowhere", "rootfs.tar.xz", "../disk.qcow2", "Upper Case"])(
    "does not take %s for a name in a registry",
    async (source) => {
      expect(await told(source)).not.toContain("docker://");
    },
  );
});

it("names the import of a source that was given for an image", () => {
  expect(importHint("docker://redis:7")).toContain('images.import("docker://redis:7")');
});

it("gives no hint for an empty string, a path or impossible characters", () => {
  for (const text of ["", "\0", "/a/b", "a b", "-x"]) expect(prefixed(text)).toBeUndefined();
});
