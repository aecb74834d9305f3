import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lacking, requires } from "@pileus/core/testing";
import { writeOciLayout } from "@pileus/oci";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { debianTar } from "../../test-support/debian.ts";
import { redisLayerTar } from "../../test-support/redis-layer.ts";
import { runExample, runGuideTest } from "./support/run-example.ts";

/** Long enough for a Debian to be bootstrapped and booted under emulation. */
const TIMEOUT = 300_000;
const CONTAINERS = ["root", "binary:lxc-start", "binary:mmdebstrap"] as const;
const NETWORKS = ["binary:dnsmasq", "binary:nft"] as const;

let folder: string;
/** References of the images that the guides' readers would pull. */
let debian: string;
let redis: string;

const run = (guide: string, ...argv: readonly string[]): Promise<string> =>
  runExample(`guides/${guide}.ts`, { argv, cwd: folder });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "pileus-guides-"));
  if (!CONTAINERS.every((need) => lacking(need) === undefined)) return;
  const base = await debianTar();
  const layout = join(folder, "layout");
  await writeOciLayout({ folder: layout, tag: "debian", layers: [{ tar: base }] });
  debian = `oci:${layout}:debian`;
  await writeOciLayout({
    folder: join(folder, "redis"),
    tag: "redis",
    layers: [{ tar: base }, { tar: await redisLayerTar(base) }],
    config: { entrypoint: ["redis-server", "--save", ""], user: "redis", workdir: "/var/lib/redis" },
  });
  redis = `oci:${join(folder, "redis")}:redis`;
}, 600_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("guides", { timeout: TIMEOUT }, () => {
  it(
    "run a first system container",
    requires(CONTAINERS, async () => {
      const output = await run("first-container");
      expect(output).toMatch(/^Debian 12/);
      expect(output).toContain("cat ended with 1: cat: /no/such/file: No such file or directory\n");
      expect(output).toMatch(/written from the host\nmemory: \d+ MiB\n$/);
    }),
  );

  it(
    "run a first application container to its orderly end",
    requires([...CONTAINERS, "binary:skopeo"], async () => {
      const output = await run("first-app", redis);
      expect(output).toMatch(/^hello\nended: { kind: 'exited', code: 0 }\n/);
      expect(output).toContain("Ready to accept connections");
    }),
  );

  it(
    "run a first virtual machine",
    requires([...CONTAINERS, "binary:qemu-system-x86_64"], async () => {
      expect(await run("first-machine")).toMatch(/^its own kernel: \d+\..*\nfrozen\n$/);
    }),
  );

  it(
    "run an image as a sandbox that limits its programs",
    requires([...CONTAINERS, "binary:skopeo"], async () => {
      expect(await run("sandbox", debian)).toBe(
        "stopped after 2000 ms; until then it said: working\n\nkept 1000 bytes, truncated: true\n",
      );
    }),
  );

  it(
    "run a test of vitest against a real service",
    requires([...CONTAINERS, ...NETWORKS, "binary:skopeo"], async () => {
      expect(await runGuideTest("redis.test.ts", { cwd: folder, env: { REDIS_IMAGE: redis } })).toMatch(/1 passed/);
    }),
  );

  it(
    "run a CI job with live lines and artefacts",
    requires(CONTAINERS, async () => {
      await mkdir(join(folder, "project"));
      await writeFile(join(folder, "project", "build.sh"), 'echo building; echo made >"$ARTEFACTS/report"\n');
      const output = await run("ci-job", join(folder, "project"), join(folder, "artefacts"), "sh", "build.sh");
      expect(output).toMatch(/^building\nended with 0 after \d+\.\d s\n$/);
      expect(await readFile(join(folder, "artefacts", "report"), "utf8")).toBe("made\n");
    }),
  );

  it(
    "move a program over from dockerode",
    requires([...CONTAINERS, "binary:skopeo"], async () => {
      expect(await run("from-dockerode", debian)).toBe("hello\n{ kind: 'exited', code: 3 }\n");
    }),
  );

  it(
    "move a program over from testcontainers",
    requires([...CONTAINERS, "binary:skopeo"], async () => {
      expect(await run("from-testcontainers", redis)).toBe("0 true\nOK\n");
    }),
  );

  it(
    "move a program over from Incus",
    requires([...CONTAINERS, ...NETWORKS], async () => {
      expect(await run("from-incus")).toBe("web.pileus\nweb running lxc\n");
    }),
  );
});
