import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Journal } from "../../../src/engine/journal/journal.ts";
import type { InstanceEvent } from "../../../src/index.ts";
import { acquireLock } from "../../../src/system/lock.ts";
import { importFakeImage } from "../../../src/testing/index.ts";
import { collect, word } from "../../../src/testing/kit/expect.ts";
import { MEMORY, MIB, updating } from "./updating.ts";

const isRunning = (event: InstanceEvent) => event.type === "state" && event.state === "running";
const ENDING = ["running→stopping", "stopping→stopped", "exit requested"];
const REFUSED = new Error("no such file of the cgroup");
const { place, open, started, recordPath, recordOf, limitOf } = updating();

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
      for (const machine of place.world.machines.values()) machine.end({ kind: "exited", code: 0 });
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
    const file = `${place.root}/names/box/instance.json`;
    const record = JSON.parse(await readFile(file, "utf8"));
    expect([record.generation, record.applied]).toEqual([1, 1]);
    const limits = { ...config.limits, memory: { limit: 64 * MIB } };
    await writeFile(file, JSON.stringify({ ...record, generation: 2, config: { ...config, limits } }));
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
    const journal = new Journal(join(place.root, "journal"), { event: () => undefined, missed: () => undefined });
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

  it("that a crash cut short is applied by a process that holds the run already, when it looks", async () => {
    const box = await started();
    const { config } = await box.inspect();
    const record = await recordOf("box");
    const limits = { ...config.limits, memory: { limit: 64 * MIB } };
    await writeFile(recordPath("box"), JSON.stringify({ ...record, generation: 2, config: { ...config, limits } }));
    expect(await box.state()).toBe("running");
    expect(await limitOf(box)).toBe(64 * MIB);
    expect((await box.inspect()).applied).toBeUndefined();
  });

  it("is possible once the process is gone that was stopping the instance, and its state is told as it is", async () => {
    const box = await started();
    const record = await recordOf("box");
    await writeFile(recordPath("box"), JSON.stringify({ ...record, state: "stopping", stopRequested: true }));
    expect(await box.state()).toBe("running");
    await box.update(MEMORY);
  });

  it("of another process does not hold up the look of one that has the run", async () => {
    const box = await started();
    const record = await recordOf("box");
    await writeFile(recordPath("box"), JSON.stringify({ ...record, state: "stopping", stopRequested: true }));
    await using _ = await acquireLock(join(place.root, "locks", `instance-${record.uuid}`));
    expect(await box.state()).toBe("stopping");
  });

  it("asks no driver for what it does not apply, though another key waits for the next start", async () => {
    let refuses = false;
    const box = await started(() => (refuses ? Promise.reject(REFUSED) : undefined));
    await box.update({ env: { A: "1" } });
    refuses = true;
    await box.update({ labels: { a: "1" } });
    expect((await box.inspect()).config.labels).toEqual({ a: "1" });
  });

  it("plans for an instance that has ended unseen what it would do", async () => {
    const box = await started();
    for (const host of place.hosts) await host[Symbol.asyncDispose]();
    for (const machine of place.world.machines.values()) machine.end({ kind: "exited", code: 0 });
    const { changes } = await (await (await open()).get(box.name)).plan(MEMORY);
    expect(changes).toEqual([{ path: "limits.memory", effect: "next-start" }]);
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
    const file = `${place.root}/names/box/instance.json`;
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
    const file = `${place.root}/names/box/run/run.json`;
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
    const file = `${place.root}/names/box/instance.json`;
    const record = JSON.parse(await readFile(file, "utf8"));
    const limits = { memory: { limit: 64 * MIB } };
    await writeFile(file, JSON.stringify({ ...record, generation: 2, config: { ...config, limits } }));
    expect(await box.update(MEMORY)).toEqual({ changes: [] });
    expect(await limitOf(box)).toBe(64 * MIB);
    expect((await box.inspect()).applied).toBeUndefined();
    // Killed after the driver was done: the manifest does not say so.
    const [machine] = place.world.machines.values();
    if (machine !== undefined) machine.limits = { memory: { limit: 16 * MIB } };
    const again = { memory: { limit: 16 * MIB } };
    await writeFile(
      file,
      JSON.stringify({ ...record, generation: 3, applied: 2, config: { ...config, limits: again } }),
    );
    await box.update(MEMORY);
    expect(await limitOf(box)).toBe(64 * MIB);
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

  it("shows as applied the name that the run has, also after a change that it has at once", async () => {
    const box = await started();
    await box.rename("other");
    await box.update(MEMORY);
    const { config, applied } = await box.inspect();
    expect([config.name, applied]).toEqual(["other", { ...config, name: "box" }]);
    await box.restart();
    expect((await box.inspect()).applied).toBeUndefined();
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

  it("of a run of a release that kept no manifest and counted no changes is one from what is on record", async () => {
    const box = await started();
    const { generation, applied, ...older } = await recordOf("box");
    await writeFile(recordPath("box"), JSON.stringify(older));
    await rm(`${place.root}/names/box/run/run.json`);
    await box.update(MEMORY);
    expect(await limitOf(box)).toBe(64 * MIB);
    expect(await recordOf("box")).toMatchObject({ generation: 2, applied: 2 });
    await box.update({ env: { A: "1" } });
    expect(await recordOf("box")).toMatchObject({ generation: 3, applied: 2 });
  });

  it("has told what it changed when it resolves", async () => {
    const box = await started();
    await box.update(MEMORY);
    const told = await collect(box.watch({ since: "oldest" }), ({ type }) => type === "updated");
    expect(told.at(-1)).toMatchObject({ changes: [{ path: "limits.memory", effect: "live" }] });
  });

  it("changes the run that another process began, without a look before, and at no look", async () => {
    const box = await started();
    let calls = 0;
    const count = () => {
      calls += 1;
    };
    const found = (await (await open(count)).get("box")) as typeof box;
    await found.update(MEMORY);
    expect(await limitOf(found)).toBe(64 * MIB);
    await found.update({ env: { A: "1" } });
    const other = await (await open(count)).get("box");
    for (const look of [found, other]) expect(await look.state()).toBe("running");
    expect(calls).toBe(1);
  });

  it("says why what a killed process has recorded cannot be applied, and can go back from it", async () => {
    let failures = 0;
    const box = await started(() => (failures-- > 0 ? Promise.reject(REFUSED) : undefined));
    const record = await recordOf("box");
    const limits = { memory: { limit: 64 * MIB } };
    await writeFile(
      recordPath("box"),
      JSON.stringify({ ...record, generation: 2, config: { ...record.config, limits } }),
    );
    failures = 1;
    expect(await box.state()).toBe("running");
    failures = 2;
    await expect(box.update(MEMORY)).rejects.toThrow(REFUSED.message);
    // It had reached the driver, and the manifest does not say so.
    for (const machine of place.world.machines.values()) machine.limits = limits;
    failures = 1;
    await box.update({ limits: { memory: 32 * MIB }, labels: { a: "1" } });
    expect(await limitOf(box)).toBe(32 * MIB);
    expect(await recordOf("box")).toMatchObject({ generation: 3, applied: 3 });
  });

  it("that fails leaves no operation open, and the record of a release that counted no changes as it was", async () => {
    const box = await started(() => Promise.reject(REFUSED));
    const { generation, applied, ...older } = await recordOf("box");
    await writeFile(recordPath("box"), JSON.stringify(older));
    await expect(box.update(MEMORY)).rejects.toThrow(REFUSED.message);
    expect(await recordOf("box")).toEqual(older);
    const journal = new Journal(join(place.root, "journal"), { event: () => undefined, missed: () => undefined });
    expect(journal.openOperations()).toEqual([]);
    journal.close();
  });

  it("records nothing of a run if there is none", async () => {
    const box = await started();
    await box.stop({ mode: "kill" });
    await box.update({ ...MEMORY, env: { A: "1" } });
    expect(await recordOf("box")).not.toHaveProperty("applied");
    expect((await box.inspect()).applied).toBeUndefined();
    await box.rename("other");
    expect(await recordOf("other")).not.toHaveProperty("applied");
  });

  it("of an instance that nobody stops any more needs no look before", async () => {
    const box = await started();
    const record = await recordOf("box");
    await writeFile(recordPath("box"), JSON.stringify({ ...record, state: "stopping", stopRequested: true }));
    await box.update(MEMORY);
    expect(await limitOf(box)).toBe(64 * MIB);
  });

  it("of a killed process is finished without a word of the stop that it has outlived", async () => {
    const box = await started();
    const record = await recordOf("box");
    const config = { ...record.config, limits: { memory: { limit: 64 * MIB } } };
    await writeFile(recordPath("box"), JSON.stringify({ ...record, state: "stopping", generation: 2, config }));
    expect(await box.state()).toBe("running");
    expect(await limitOf(box)).toBe(64 * MIB);
    expect(await recordOf("box")).toMatchObject({ state: "running", generation: 2, applied: 2 });
  });

  it("leaves a record that a later release writes meanwhile alone, and says both failures", async () => {
    let later = "";
    const box = await started(async () => {
      later = JSON.stringify({ ...(await recordOf("box")), version: 99, minReader: 99 });
      await writeFile(recordPath("box"), later);
      throw REFUSED;
    });
    const failure: unknown = await box.update(MEMORY).catch((error: unknown) => error);
    expect(failure).toMatchObject({ message: expect.stringContaining(REFUSED.message), code: "ERR_DRIVER" });
    expect(failure).toMatchObject({ cleanupFailures: [{ code: "ERR_HOST" }] });
    expect(await readFile(recordPath("box"), "utf8")).toBe(later);
    await expect(box.update(MEMORY)).rejects.toMatchObject({ code: "ERR_HOST" });
    await expect(box.plan(MEMORY)).rejects.toMatchObject({ code: "ERR_HOST" });
  });

  it("works, and is told, while the journal cannot be written", async () => {
    const box = await started();
    await rm(join(place.root, "journal"), { recursive: true });
    await writeFile(join(place.root, "journal"), "");
    const seen = collect(box.watch(), ({ type }) => type === "updated");
    await box.update(MEMORY);
    expect(await limitOf(box)).toBe(64 * MIB);
    expect((await seen).at(-1)).toMatchObject({ type: "updated", changes: [{ path: "limits.memory" }] });
  });

  it("names what tells what runs if that cannot be read, and a look does without", async () => {
    const box = await started();
    await box.update({ env: { A: "1" } });
    const path = join(place.root, "names/box/run/run.json");
    await writeFile(path, "{ cut");
    expect(await box.state()).toBe("running");
    expect((await box.inspect()).config.env).toEqual({ A: "1" });
    await expect(box.update(MEMORY)).rejects.toMatchObject({
      code: "ERR_HOST",
      missing: [{ need: expect.stringContaining("run.json") }],
    });
    expect((await box.inspect()).config.limits).toEqual({ memory: { limit: 32 * MIB } });
    await box.restart();
    await box.update(MEMORY);
    expect(await limitOf(box)).toBe(64 * MIB);
  });
});
