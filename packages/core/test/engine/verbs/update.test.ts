import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Journal } from "../../../src/engine/journal/journal.ts";
import { type InstanceEvent, openHost } from "../../../src/index.ts";
import { FakeWorld } from "../../../src/testing/fake/world.ts";
import { type FakeFaults, fake, importFakeImage } from "../../../src/testing/index.ts";
import { collect, word } from "../../../src/testing/kit/expect.ts";

const MIB = 2 ** 20;
const MEMORY = { limits: { memory: 64 * MIB } };
const isRunning = (event: InstanceEvent) => event.type === "state" && event.state === "running";
const ENDING = ["running→stopping", "stopping→stopped", "exit requested"];
const REFUSED = new Error("no such file of the cgroup");

let root = "";
let world = new FakeWorld();
let hosts: AsyncDisposable[] = [];
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "pileus-update-"));
  world = new FakeWorld();
  hosts = [];
});
afterEach(async () => {
  for (const host of hosts) await host[Symbol.asyncDispose]();
  await rm(root, { recursive: true });
});

async function open(update?: FakeFaults["update"]) {
  const host = await openHost({ root, drivers: [fake({ world, faults: { update } })] });
  hosts.push(host);
  return host;
}

async function started(update?: FakeFaults["update"]) {
  const host = await open(update);
  const image = await importFakeImage(host);
  const box = await host.create({ name: "box", driver: "fake", image, limits: { memory: 32 * MIB } });
  await box.start();
  return box;
}

const recordPath = (name: string) => join(root, "names", name, "instance.json");
const recordOf = async (name: string) => JSON.parse(await readFile(recordPath(name), "utf8"));
const limitOf = async (box: Awaited<ReturnType<typeof started>>) => (await box.metrics()).memory.limitBytes;

describe("update", () => {
  it("leaves the configuration and the run as they were when the driver fails", async () => {
    const box = await started(() => Promise.reject(REFUSED));
    const before = await box.inspect();
    await expect(box.update({ ...MEMORY, labels: { a: "1" } })).rejects.toThrow(REFUSED.message);
    expect(await box.inspect()).toEqual(before);
    expect(await limitOf(box)).toBe(32 * MIB);
    await box.restart();
    expect(await limitOf(box)).toBe(32 * MIB);
  });

  it("that is aborted undoes what it did", async () => {
    const controller = new AbortController();
    const box = await started((_, { signal }) => {
      controller.abort(new Error("enough"));
      signal?.throwIfAborted();
    });
    const { config } = await box.inspect();
    await expect(box.update(MEMORY, { signal: controller.signal })).rejects.toThrow("enough");
    expect((await box.inspect()).config).toEqual(config);
  });

  it("of an instance that ends meanwhile says so, and changes nothing", async () => {
    let end = () => {};
    const box = await started(async () => {
      end();
      await new Promise(setImmediate);
      throw new Error("it is gone");
    });
    end = () => {
      for (const machine of world.machines.values()) machine.end({ kind: "exited", code: 0 });
    };
    const { config } = await box.inspect();
    await expect(box.update(MEMORY)).rejects.toMatchObject({ code: "ERR_INSTANCE_STATE", state: "stopped" });
    expect((await box.inspect()).config).toEqual(config);
    expect(await box.state()).toBe("stopped");
  });

  it("that a crash cut short is applied by the next process that finds the run", async () => {
    const box = await started();
    const { config } = await box.inspect();
    // As it stands on the disk between the record and the driver.
    const file = `${root}/names/box/instance.json`;
    const record = JSON.parse(await readFile(file, "utf8"));
    expect([record.generation, record.applied]).toEqual([1, 1]);
    const limits = { ...config.limits, memory: { limit: 64 * MIB } };
    await writeFile(file, JSON.stringify({ ...record, generation: 2, config: { ...config, limits } }));
    expect((await box.inspect()).applied?.limits).toEqual(config.limits);
    const other = await (await open()).get("box");
    expect(await other.inspect()).toMatchObject({ config: { limits }, state: "running" });
    expect((await other.inspect()).applied).toBeUndefined();
    expect(await limitOf(other as typeof box)).toBe(64 * MIB);
  });

  it.each([
    [2, ["updated labels", "deleted"]],
    [1, ["deleted"]],
  ])("that a crash cut short is told by the next process if its record has generation %i", async (generation, told) => {
    const box = await started();
    const { uuid } = await box.inspect();
    const since = (await collect(box.watch({ since: "oldest" }), isRunning)).at(-1)?.cursor;
    const journal = new Journal(join(root, "journal"), { event: () => undefined, missed: () => undefined });
    const changes = [{ path: "labels", effect: "live" }];
    journal.begin({ kind: "update", instance: "box", uuid, data: { key: uuid, generation: 2, changes } });
    journal.close();
    await writeFile(recordPath("box"), JSON.stringify({ ...(await recordOf("box")), generation }));
    const host = await open();
    await (await host.get("box")).delete();
    expect((await collect(host.watch({ since }), ({ type }) => type === "deleted")).map(word)).toEqual(
      told.flatMap((one) => (one === "deleted" ? [...ENDING, one] : [one])),
    );
  });

  it("tells each watcher what it has changed, and nothing when it fails or changes nothing", async () => {
    let refuses = false;
    const box = await started(() => (refuses ? Promise.reject(REFUSED) : undefined));
    const seen = collect(box.watch(), ({ type }) => type === "deleted");
    await box.update({ ...MEMORY, env: { A: "1" } });
    await box.update(MEMORY);
    refuses = true;
    await expect(box.update({ limits: { memory: 48 * MIB } })).rejects.toThrow(REFUSED.message);
    await box.delete();
    const told = (await seen).filter(({ type }) => type === "updated");
    const changes = [
      { path: "limits.memory", effect: "live" },
      { path: "env", effect: "next-start" },
    ];
    expect(told).toMatchObject([{ type: "updated", instance: "box", changes: expect.arrayContaining(changes) }]);
  });

  it("is possible while frozen, and refused while a stop is under way", async () => {
    const host = await open();
    const image = await importFakeImage(host);
    const box = await host.create({ name: "box", driver: "fake", image, fake: { stubborn: true } });
    await box.start();
    await box.freeze();
    await box.update(MEMORY);
    expect(await limitOf(box)).toBe(64 * MIB);
    await box.unfreeze();
    const stopping = box.stop({ timeout: 60_000 });
    for await (const event of box.watch({ since: "oldest" }))
      if (event.type === "state" && event.state === "stopping") break;
    await expect(box.update(MEMORY)).rejects.toMatchObject({
      state: "stopping",
      expected: ["stopped", "running", "frozen"],
    });
    await box.stop({ mode: "kill" });
    await stopping;
  });

  it("of one key does not stumble over another that this host could not give today", async () => {
    const box = await started();
    const file = `${root}/names/box/instance.json`;
    const record = JSON.parse(await readFile(file, "utf8"));
    // A key of a later release stays where it is.
    record.config.limits.later = { of: "a later release" };
    await writeFile(file, JSON.stringify(record));
    await box.update({ labels: { a: "1" }, limits: { memory: null } });
    expect(JSON.parse(await readFile(file, "utf8")).config).toMatchObject({
      labels: { a: "1" },
      limits: { later: { of: "a later release" } },
    });
    expect(await limitOf(box)).toBeUndefined();
  });

  it("puts the run back when what it has cannot be kept", async () => {
    const box = await started();
    const before = await box.inspect();
    // Nothing can be renamed onto a folder: the manifest cannot be written.
    const file = `${root}/names/box/run/run.json`;
    const manifest = await readFile(file, "utf8");
    let wasCalled = 0;
    const other = await open(async () => {
      wasCalled += 1;
      if (wasCalled === 1) {
        await rm(file);
        await mkdir(`${file}.tmp`, { recursive: true });
      }
    });
    const found = (await other.get("box")) as typeof box;
    await found.inspect();
    await expect(found.update(MEMORY)).rejects.toThrow();
    expect(wasCalled).toBe(2);
    await rm(`${file}.tmp`, { recursive: true });
    await writeFile(file, manifest);
    expect(await found.inspect()).toEqual(before);
    expect(await limitOf(found)).toBe(32 * MIB);
  });

  it("of a process that is attached finishes what a killed one has begun, with the same change and with another", async () => {
    const box = await started();
    const { config } = await box.inspect();
    const file = `${root}/names/box/instance.json`;
    const record = JSON.parse(await readFile(file, "utf8"));
    const limits = { memory: { limit: 64 * MIB } };
    await writeFile(file, JSON.stringify({ ...record, generation: 2, config: { ...config, limits } }));
    expect(await box.update(MEMORY)).toEqual({ changes: [] });
    expect(await limitOf(box)).toBe(64 * MIB);
    expect((await box.inspect()).applied).toBeUndefined();
    // Killed after the driver was done: the manifest does not say so.
    const [machine] = world.machines.values();
    if (machine !== undefined) machine.limits = { memory: { limit: 16 * MIB } };
    const again = { memory: { limit: 16 * MIB } };
    await writeFile(
      file,
      JSON.stringify({ ...record, generation: 3, applied: 2, config: { ...config, limits: again } }),
    );
    await box.update(MEMORY);
    expect(await limitOf(box)).toBe(64 * MIB);
  });

  it("takes keys of every name for what they are", async () => {
    const box = await started();
    const evil = JSON.parse('{ "__proto__": null, "constructor": null, "a": "1" }');
    await expect(box.update({ labels: evil })).rejects.toMatchObject({ code: "ERR_CONFIG" });
    await box.update({ labels: JSON.parse('{ "constructor": null, "toString": null, "a": "1" }') });
    expect((await box.inspect()).config.labels).toEqual({ a: "1" });
    expect(await box.update({ labels: { a: "1" }, log: { maxSize: null } })).toEqual({ changes: [] });
    expect((await box.inspect()).config.log).toBeUndefined();
  });

  it("that failed does not count as what the run has: the next one reaches the driver", async () => {
    let refuses = true;
    const box = await started(() => {
      if (refuses) throw REFUSED;
    });
    await expect(box.update(MEMORY)).rejects.toThrow(REFUSED.message);
    refuses = false;
    await box.update(MEMORY);
    expect(await limitOf(box)).toBe(64 * MIB);
  });

  it("shows as applied what the run has of it, until the run has all", async () => {
    const box = await started();
    await box.update({ ...MEMORY, env: { A: "1" } });
    expect((await box.inspect()).applied).toMatchObject({ env: {}, limits: { memory: { limit: 64 * MIB } } });
    await box.update({ env: { A: null } });
    expect((await box.inspect()).applied).toBeUndefined();
    expect(await recordOf("box")).toMatchObject({ generation: 3, applied: 3 });
    await box.update({ env: { A: "1" } });
    await box.stop({ mode: "kill" });
    expect((await box.inspect()).applied).toBeUndefined();
  });

  it("removes a variable that is null, and keeps what is undefined", async () => {
    const box = await started();
    await box.update({ env: { A: "1", B: "2" } });
    await box.update({ env: { A: null, B: undefined }, limits: { memory: undefined, cpu: 1 } });
    expect((await box.inspect()).config).toMatchObject({
      env: { B: "2" },
      limits: { cpu: 1, memory: { limit: 32 * MIB } },
    });
    expect((await box.inspect()).config.env).not.toHaveProperty("A");
  });

  it.each(["labels", "env", "limits"])("refuses a list as %s", async (key) => {
    const box = await started();
    await expect(box.update({ [key]: [] })).rejects.toMatchObject({ code: "ERR_CONFIG", issues: [{ path: [key] }] });
  });

  it("refuses variables that no program could be given", async () => {
    const box = await started();
    const env = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`A${index}`, "x".repeat(120_000)]));
    await expect(box.update({ env })).rejects.toMatchObject({ code: "ERR_CONFIG", issues: [{ path: ["env"] }] });
    expect((await box.inspect()).config.env).toEqual({});
  });

  it("that changes nothing records nothing", async () => {
    const box = await started();
    const before = await recordOf("box");
    expect(await box.update({ limits: { memory: 32 * MIB } })).toEqual({ changes: [] });
    expect(await recordOf("box")).toEqual(before);
  });

  it("of a run of a release that kept no manifest and counted no changes is one from what is on record", async () => {
    const box = await started();
    const { generation, applied, ...older } = await recordOf("box");
    await writeFile(recordPath("box"), JSON.stringify(older));
    await rm(`${root}/names/box/run/run.json`);
    await box.update(MEMORY);
    expect(await limitOf(box)).toBe(64 * MIB);
    expect(await recordOf("box")).toMatchObject({ generation: 2, applied: 2 });
    await box.update({ env: { A: "1" } });
    expect(await recordOf("box")).toMatchObject({ generation: 3, applied: 2 });
  });
});
