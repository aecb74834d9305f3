import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import { openHost } from "../../../src/index.ts";
import { FakeWorld } from "../../../src/testing/fake/world.ts";
import { type FakeFaults, fake, importFakeImage } from "../../../src/testing/index.ts";

export const MIB = 2 ** 20;
/** Twice of what the instance has by {@link updating}. */
export const MEMORY = { limits: { memory: 64 * MIB } };

/** A place of its own for each test of the file, in which an instance is updated. */
export function updating() {
  const place = { root: "", world: new FakeWorld(), hosts: [] as AsyncDisposable[] };
  beforeEach(async () => {
    place.root = await mkdtemp(join(tmpdir(), "pileus-update-"));
    place.world = new FakeWorld();
    place.hosts = [];
  });
  afterEach(async () => {
    for (const host of place.hosts) await host[Symbol.asyncDispose]();
    await rm(place.root, { recursive: true });
  });

  async function open(update?: FakeFaults["update"]) {
    const host = await openHost({ root: place.root, drivers: [fake({ world: place.world, faults: { update } })] });
    place.hosts.push(host);
    return host;
  }

  async function started(update?: FakeFaults["update"]) {
    const host = await open(update);
    const image = await importFakeImage(host);
    const box = await host.create({ name: "box", driver: "fake", image, limits: { memory: 32 * MIB } });
    await box.start();
    return box;
  }

  const recordPath = (name: string) => join(place.root, "names", name, "instance.json");
  const recordOf = async (name: string) => JSON.parse(await readFile(recordPath(name), "utf8"));
  const limitOf = async (box: Awaited<ReturnType<typeof started>>) => (await box.metrics()).memory.limitBytes;
  return { place, open, started, recordPath, recordOf, limitOf };
}
