import { cp, mkdir, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Journal } from "../../../src/engine/journal/journal.ts";
import { TimeoutError } from "../../../src/index.ts";
import { collect } from "../../../src/testing/kit/expect.ts";
import { MEMORY, MIB, updating } from "./updating.ts";

const { place, open, started, recordPath, recordOf, limitOf } = updating();

/** What a process that was killed has done of an update, one more in each. */
const DONE = ["nothing", "begun", "recorded", "told the driver", "kept in the manifest", "recorded as applied", "told"];

/** The root and the world as such a process leaves them. Opens another host, in which the driver fails so often. */
async function killedAfter(step: (typeof DONE)[number], change: object) {
  const journal = join(place.root, "journal");
  const [record, manifest] = [recordPath("box"), join(place.root, "names/box/run/run.json")];
  const read = async () => ({ record: await readFile(record, "utf8"), manifest: await readFile(manifest, "utf8") });
  let amid: Awaited<ReturnType<typeof read>> | undefined;
  const box = await started(async () => {
    amid = await read();
    await cp(journal, `${journal}.begun`, { recursive: true });
  });
  const before = await read();
  await cp(journal, `${journal}.before`, { recursive: true });
  await box.update(change);
  const after = await read();
  for (const host of place.hosts.splice(0)) await host[Symbol.asyncDispose]();
  const at = DONE.indexOf(step);
  await writeFile(record, at < 2 ? before.record : at < 5 ? (amid?.record ?? "") : after.record);
  await writeFile(manifest, at < 4 ? before.manifest : after.manifest);
  const [machine] = place.world.machines.values();
  if (machine !== undefined && at < 3) machine.limits = { memory: { limit: 32 * MIB } };
  if (at < 6) {
    await rm(journal, { recursive: true });
    await cp(`${journal}.${at < 1 ? "before" : "begun"}`, journal, { recursive: true });
  }
  return at;
}

describe.each(DONE)("an update by a process that was killed when it had done: %s", (step) => {
  it.each([
    ["of what is live", MEMORY],
    ["also of what waits for the next start", { ...MEMORY, env: { A: "1" } }],
  ])("%s, is made whole or undone, and told once or not at all", async (_, change) => {
    const at = await killedAfter(step, change);
    const limit = at < 2 ? 32 * MIB : 64 * MIB;
    const waits = "env" in change && at >= 2;
    const host = await open();
    const found = (await host.get("box")) as Awaited<ReturnType<typeof started>>;
    const info = await found.inspect();
    expect(info.config.limits.memory?.limit).toBe(limit);
    expect(await limitOf(found)).toBe(limit);
    expect(info.applied).toEqual(waits ? { ...info.config, env: {} } : undefined);
    // Nothing is left to do.
    const record = await recordOf("box");
    await found.inspect();
    expect(await recordOf("box")).toEqual(record);
    await found.update({ limits: { memory: 16 * MIB } });
    expect(await limitOf(found)).toBe(16 * MIB);
    await found.delete();
    const told = await collect(host.watch({ since: "oldest" }), ({ type }) => type === "deleted");
    expect(told.filter(({ type }) => type === "updated")).toHaveLength(at < 2 ? 1 : 2);
  });
});

describe("an update that fails and leaves something in the run", () => {
  const LEFT = Object.assign(new Error("EBUSY"), { cleanupFailures: [new Error("EBUSY")] });

  /** An instance, whose driver sets a limit and cannot take it back. */
  async function half(failure: unknown = LEFT) {
    const state = { fails: true, calls: 0 };
    const box = await started(() => {
      state.calls += 1;
      if (!state.fails) return;
      for (const machine of place.world.machines.values()) machine.limits = { memory: { limit: 64 * MIB } };
      throw failure;
    });
    return { box, state };
  }

  it.each([
    ["that cannot take it back", LEFT],
    ["that gave up waiting", new TimeoutError("the change of a limit: EBUSY", 1000)],
  ])("is taken back by the next look of any process: one %s", async (_, failure) => {
    for (const isOther of [false, true]) {
      const { box, state } = await half(failure);
      await expect(box.update(MEMORY)).rejects.toThrow("EBUSY");
      expect((await recordOf("box")).applied).toBe(2);
      state.fails = false;
      const looking = isOther ? ((await (await open()).get("box")) as typeof box) : box;
      await looking.inspect();
      expect(await limitOf(looking)).toBe(32 * MIB);
      expect(await recordOf("box")).toMatchObject({ generation: 1, applied: 1 });
      await box.delete();
    }
  });

  it("because it cannot be kept is taken back by the next look", async () => {
    let calls = 0;
    const temporary = join(place.root, "names/box/run/run.json.tmp");
    const box = await started(async () => {
      calls += 1;
      // The manifest cannot be written, and the driver does not step back.
      if (calls === 1) await mkdir(temporary);
      if (calls === 2) throw new Error("EBUSY");
    });
    await expect(box.update(MEMORY)).rejects.toMatchObject({ cleanupFailures: [{ code: "ERR_DRIVER" }] });
    expect(await limitOf(box)).toBe(64 * MIB);
    await rmdir(temporary);
    expect((await box.inspect()).config.limits.memory?.limit).toBe(32 * MIB);
    expect(await limitOf(box)).toBe(32 * MIB);
    expect(calls).toBe(3);
  });

  it("stays in doubt while the driver fails, also over a rename, a change of another key, and another failure", async () => {
    const { box, state } = await half();
    await box.update({ env: { A: "1" } });
    await expect(box.update(MEMORY)).rejects.toThrow("EBUSY");
    expect(await recordOf("box")).toMatchObject({ generation: 2, applied: 3 });
    await box.rename("other");
    await expect(box.update({ limits: { memory: 48 * MIB } })).rejects.toThrow("EBUSY");
    expect(await recordOf("other")).toMatchObject({ generation: 4, applied: 6 });
    await expect(box.update({ env: { B: "1" } })).rejects.toThrow("EBUSY");
    expect(await limitOf(box)).toBe(64 * MIB);
    state.fails = false;
    expect((await box.inspect()).config).toMatchObject({ env: { A: "1" }, limits: { memory: { limit: 32 * MIB } } });
    expect(await limitOf(box)).toBe(32 * MIB);
    const { calls } = state;
    expect((await box.inspect()).applied?.env).toEqual({});
    expect(state.calls).toBe(calls);
    await box.restart();
    expect((await box.inspect()).applied).toBeUndefined();
  });

  it("is not told, also if the process is killed before it ends the operation", async () => {
    const { box, state } = await half();
    const { uuid } = await box.inspect();
    await expect(box.update(MEMORY)).rejects.toThrow("EBUSY");
    const journal = new Journal(join(place.root, "journal"), { event: () => undefined, missed: () => undefined });
    const changes = [{ path: "limits.memory", effect: "live" }];
    journal.begin({ kind: "update", instance: "box", uuid, data: { key: uuid, generation: 2, changes } });
    journal.close();
    state.fails = false;
    await box.delete();
    const told = await collect((await open()).watch({ since: "oldest" }), ({ type }) => type === "deleted");
    expect(told.filter(({ type }) => type === "updated")).toEqual([]);
  });
});
