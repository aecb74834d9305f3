import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type OwnerProcess, thisProcess } from "../../../src/engine/record/owner-process.ts";
import { RECORD_VERSION } from "../../../src/engine/record/record.ts";
import { Layout } from "../../../src/engine/root/layout.ts";
import { openHostWith } from "../../../src/host.ts";
import { acquireLock } from "../../../src/system/lock.ts";
import { identifyChild } from "../../../src/system/process-identity.ts";
import { scriptedRoot, smallParts } from "../scripted.ts";

let place: Awaited<ReturnType<typeof scriptedRoot>>;
beforeEach(async () => {
  place = await scriptedRoot();
});
afterEach(() => place.dispose());

const config = (name: string) => ({ driver: "scripted", name, image: "base", labels: { of: name } }) as const;

/** Makes an ephemeral instance whose record names another owner. */
async function left(host: Awaited<ReturnType<typeof place.open>>, name: string, owner: Partial<OwnerProcess>) {
  await host.ephemeral(config(name));
  const path = `${place.root}/names/${name}/instance.json`;
  const record = JSON.parse(await readFile(path, "utf8"));
  await writeFile(path, JSON.stringify({ ...record, owner: { ...record.owner, ...owner } }));
}

async function deadProcess(): Promise<OwnerProcess> {
  const child = spawn("true");
  const exit = once(child, "exit");
  const identity = identifyChild(child.pid ?? 0);
  await exit;
  return { ...(await thisProcess()), ...identity };
}

describe("sweep", () => {
  it("deletes what dead processes left, running or not, and nothing else", async () => {
    const host = await place.open();
    await left(host, "dead", await deadProcess());
    await left(host, "reused", { startTime: 1 });
    await left(host, "rebooted", { boot: "before", pidNamespace: "elsewhere" });
    await left(host, "elsewhere", { startTime: 1, pidNamespace: "pid:[1]" });
    await host.ephemeral(config("mine"));
    await host.create(config("kept"));
    expect(await host.sweep()).toEqual(["dead", "rebooted", "reused"]);
    expect((await host.list()).map(({ name }) => name)).toEqual(["elsewhere", "kept", "mine"]);
    expect([...place.scripted.runs.keys()].sort()).toEqual(["elsewhere", "mine"]);
    expect(await host.sweep()).toEqual([]);
  });

  it("leaves what a process made that /proc hides from this user", async () => {
    const host = await place.open();
    const dead = await deadProcess();
    await left(host, "hidden", dead);
    const kill = vi.spyOn(process, "kill").mockImplementation((pid) => {
      throw Object.assign(new Error("kill"), { code: pid === dead.pid ? "EPERM" : "ESRCH" });
    });
    try {
      expect(await host.sweep()).toEqual([]);
    } finally {
      kill.mockRestore();
    }
    expect(await host.sweep()).toEqual(["hidden"]);
  });

  it("obeys labels, and refuses unknown options", async () => {
    const host = await place.open();
    const dead = await deadProcess();
    for (const name of ["a", "b"]) await left(host, name, dead);
    expect(await host.sweep({ labels: { of: "c" } })).toEqual([]);
    expect(await host.sweep({ labels: { of: "b" } })).toEqual(["b"]);
    await expect(host.sweep({ label: {} } as never)).rejects.toMatchObject({ name: "ConfigError" });
    expect((await host.list()).map(({ name }) => name)).toEqual(["a"]);
  });

  it("leaves instances of a later release, and of a driver that the host lacks", async () => {
    const host = await place.open();
    const dead = await deadProcess();
    await left(host, "a", dead);
    await left(host, "b", dead);
    const path = `${place.root}/names/b/instance.json`;
    await writeFile(
      path,
      JSON.stringify({ ...JSON.parse(await readFile(path, "utf8")), minReader: RECORD_VERSION + 1 }),
    );
    await using other = await openHostWith({ root: place.root, drivers: [] }, smallParts().parts);
    expect(await other.sweep()).toEqual([]);
    expect(await host.sweep()).toEqual(["a"]);
  });

  it("may run twice at once", async () => {
    const [one, two] = [await place.open(), await place.open()];
    const dead = await deadProcess();
    const names = Array.from({ length: 12 }, (_, index) => `left-${index}`).sort();
    for (const name of names) await left(one, name, dead);
    const swept = await Promise.all([one.sweep(), two.sweep()]);
    expect([...new Set(swept.flat())].sort()).toEqual(names);
    expect(await two.list()).toEqual([]);
    expect(place.scripted.runs.size).toBe(0);
  });

  it("goes on when one cannot be deleted, and then rejects", async () => {
    const host = await place.open();
    const dead = await deadProcess();
    for (const name of ["a", "b", "c"]) await left(host, name, dead);
    place.scripted.script.remove = ({ name }) => (name === "b" ? Promise.reject(new Error("busy")) : undefined);
    await expect(host.sweep()).rejects.toThrow("busy");
    place.scripted.script = {};
    expect(place.scripted.runs.size).toBe(0);
    expect((await host.list()).map(({ name }) => name)).not.toContain("a");
    expect(await host.sweep()).toContain("b");
    expect(await readdir(`${place.root}/instances`)).toEqual([]);
  });

  it("clears what a process that died had half made or half deleted, unless another call works on it", async () => {
    const host = await place.open();
    const dead = await deadProcess();
    for (const [name, phase] of [
      ["a", "creating"],
      ["b", "deleting"],
      ["c", "deleting"],
    ] as const) {
      await left(host, name, dead);
      const path = `${place.root}/names/${name}/instance.json`;
      await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, "utf8")), phase }));
    }
    const layout = new Layout(place.root);
    await using lock = await acquireLock(place.lock("c"));
    expect(await host.sweep()).toEqual(["a", "b"]);
    // Who deletes it has it.
    await expect(host.get("c")).rejects.toMatchObject({ code: "ERR_INSTANCE_NOT_FOUND" });
    expect(await readdir(layout.names)).toEqual(["c"]);
    await lock.release();
    expect(await host.sweep()).toEqual(["c"]);
    expect(await readdir(layout.instances)).toEqual([]);
  });

  it("is named by the error about a name that a dead process left", async () => {
    const host = await place.open();
    await left(host, "a", await deadProcess());
    await expect(host.ephemeral(config("a"))).rejects.toThrow("host.sweep()");
    expect(await host.sweep()).toEqual(["a"]);
    await host.ephemeral(config("a"));
    const taken = host.ephemeral(config("a"));
    await expect(taken).rejects.toThrow("choose another name");
  });
});
