import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { acquireLock } from "../../../src/system/lock.ts";
import { gate, scriptedRoot } from "../scripted.ts";

let place: Awaited<ReturnType<typeof scriptedRoot>>;
beforeEach(async () => {
  place = await scriptedRoot();
});
afterEach(() => place.dispose());

const CONFIG = { driver: "scripted", name: "a", image: "base" } as const;
const recordPath = () => `${place.folder("a")}/instance.json`;

/** Changes the record behind the engine's back, to what a crash at some moment leaves. */
async function patchRecord(patch: object) {
  const record = JSON.parse(await readFile(recordPath(), "utf8"));
  await writeFile(recordPath(), JSON.stringify({ ...record, ...patch }));
}

async function aHostThatWentAway(started = false) {
  const host = await place.open();
  const instance = await host.create(CONFIG);
  if (started) await instance.start();
  await host[Symbol.asyncDispose]();
  place.scripted.calls.length = 0;
}

describe("opening a root again", () => {
  it("finds what runs, and reports its end", async () => {
    await aHostThatWentAway(true);
    const host = await place.recovered();
    expect(place.scripted.calls).toEqual([]);
    const instance = await host.get("a", { driver: "scripted" });
    expect(await instance.state()).toBe("running");
    expect(place.scripted.calls).toEqual(["adopt a"]);
    place.scripted.run("a").end({ kind: "signaled", signal: "SIGSEGV" });
    expect(await instance.wait()).toMatchObject({ reason: "program", status: { signal: "SIGSEGV" } });
  });

  it("finds a frozen instance frozen even if its freeze was not recorded", async () => {
    await aHostThatWentAway(true);
    place.scripted.run("a").frozen = true;
    const host = await place.open();
    expect(await (await host.get("a")).state()).toBe("frozen");
  });

  it("keeps the recorded state of a frozen instance when its driver cannot tell", async () => {
    await aHostThatWentAway(true);
    await patchRecord({ state: "frozen" });
    place.scripted.run("a").frozen = undefined;
    const host = await place.open();
    expect(await (await host.get("a")).state()).toBe("frozen");
  });

  it("says that what ended meanwhile was lost", async () => {
    await aHostThatWentAway(true);
    place.scripted.run("a").end();
    const host = await place.open();
    expect(await (await host.get("a")).inspect()).toMatchObject({ state: "stopped", exit: { reason: "lost" } });
  });

  it("says how what ended meanwhile ended, when the driver knows", async () => {
    await aHostThatWentAway(true);
    place.scripted.run("a").end();
    place.scripted.script.lastExit = { kind: "exited", code: 7 };
    const host = await place.open();
    const exit = { reason: "program", status: { kind: "exited", code: 7 } };
    expect(await (await host.get("a")).inspect()).toMatchObject({ state: "stopped", exit });
  });

  it("undoes a start that was cut short", async () => {
    await aHostThatWentAway(true);
    await patchRecord({ state: "starting" });
    const host = await place.open();
    expect(await (await host.get("a")).state()).toBe("stopped");
    expect(place.scripted.calls).toEqual(["adopt a", "kill a"]);
  });

  it("treats a stop that was cut short as requested, and the instance as running until it ends", async () => {
    await aHostThatWentAway(true);
    await patchRecord({ state: "stopping", stopRequested: true });
    const host = await place.open();
    const instance = await host.get("a");
    expect(await instance.state()).toBe("running");
    place.scripted.run("a").end({ kind: "exited", code: 0 });
    expect(await instance.wait()).toMatchObject({ reason: "requested" });
  });

  it.each(["creating", "deleting"])("clears away what was cut short while %s", async (phase) => {
    await aHostThatWentAway();
    await patchRecord({ phase });
    const host = await place.recovered();
    expect(place.scripted.calls).toEqual(["remove a"]);
    expect(await host.list()).toEqual([]);
    expect(await readdir(`${place.root}/instances`)).toEqual([]);
    expect(await readdir(`${place.root}/locks`)).toEqual(["host"]);
  });

  it("leaves alone what another process is creating right now", async () => {
    await aHostThatWentAway();
    await patchRecord({ phase: "creating" });
    const other = spawn("flock", [place.lock("a"), "sh", "-c", "echo held; exec cat"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    await once(other.stdout, "data");
    const host = await place.recovered();
    expect(existsSync(recordPath())).toBe(true);
    expect(await host.list()).toEqual([]);
    await expect(host.get("a")).rejects.toMatchObject({ code: "ERR_INSTANCE_NOT_FOUND" });
    other.stdin.end();
    await once(other, "exit");
  });

  it("clears away the folder of a create that had no record yet", async () => {
    // What the opening does in the background is done, else it may clear the folder away while it is being made.
    await (await place.open()).doctor();
    await mkdir(`${place.root}/instances/a`);
    await writeFile(`${place.root}/instances/a/.instance.json.1.tmp`, "{");
    await place.recovered();
    expect(await readdir(`${place.root}/instances`)).toEqual([]);
  });

  it("clears away a partially written record", async () => {
    await aHostThatWentAway();
    await writeFile(`${place.root}/names/a/.instance.json.1.tmp`, "{");
    await place.recovered();
    expect(await readdir(`${place.root}/names/a`)).not.toContain(".instance.json.1.tmp");
  });

  it("clears away the lock of a create that had nothing else yet", async () => {
    await (await place.open()).doctor();
    await writeFile(`${place.root}/locks/instance-a`, "");
    await place.recovered();
    expect(await readdir(`${place.root}/locks`)).toEqual(["host"]);
  });

  it("gives the name of a create that died to the next create, without a new open", async () => {
    const host = await place.open();
    await host.create(CONFIG);
    await patchRecord({ phase: "creating" });
    await host.create(CONFIG);
    expect(await host.list()).toHaveLength(1);
  });

  it.for<[string, () => Promise<unknown>]>([
    ["zeros", () => writeFile(recordPath(), "\0\0\0\0")],
    ["a folder", () => mkdir(recordPath())],
    ["a file of 600 MB", () => writeFile(recordPath(), "").then(() => truncate(recordPath(), 600e6))],
    ["a symlink to itself", () => symlink(recordPath(), recordPath())],
  ])("leaves a record that is %s where it is, serves the others, and tells in doctor()", async ([, spoil]) => {
    await aHostThatWentAway();
    await rm(recordPath());
    await spoil();
    await writeFile(`${place.root}/names/a/precious`, "data");
    const host = await place.open();
    await host.create({ ...CONFIG, name: "b" });
    expect(await host.list()).toMatchObject([{ name: "b" }]);
    expect(await readdir(`${place.root}/names/a`)).toContain("precious");
    expect(await readdir(`${place.root}/names/a`)).toContain("instance.json");
    expect(String(await host.doctor())).toContain("cannot be read");
    const refused = { code: "ERR_HOST", missing: [{ need: `file:${recordPath()}` }] };
    await expect(host.get("a")).rejects.toMatchObject(refused);
    await expect(host.create(CONFIG)).rejects.toMatchObject({ code: "ERR_INSTANCE_EXISTS" });
  });

  it("refuses every call on an instance whose record can no longer be read, and leaves everything of it", async () => {
    const host = await place.open();
    const instance = await host.create(CONFIG);
    await instance.start();
    const record = await readFile(recordPath());
    await writeFile(recordPath(), "{");
    for (const verb of ["state", "start", "stop", "delete", "metrics"] as const)
      await expect(instance[verb](), verb).rejects.toMatchObject({ code: "ERR_HOST" });
    await expect(instance.stop({ mode: "kill" })).rejects.toMatchObject({ code: "ERR_HOST" });
    await writeFile(recordPath(), record);
    expect(await instance.state()).toBe("running");
  });

  it("keeps a record of a later release, shows it, refuses to use it, and reports it in doctor()", async () => {
    await aHostThatWentAway();
    await patchRecord({ version: 9, minReader: 9, novelty: true });
    const host = await place.open();
    expect(JSON.parse(await readFile(recordPath(), "utf8"))).toMatchObject({ version: 9, novelty: true });
    expect(await host.list()).toMatchObject([
      { name: "a", state: "error", error: expect.stringContaining("version 9") },
    ]);
    expect(String(await host.doctor())).toContain("version 9");
    const refused = { code: "ERR_HOST", missing: [{ need: "release" }] };
    await expect(host.get("a")).rejects.toMatchObject(refused);
    await expect(host.create(CONFIG)).rejects.toMatchObject({ code: "ERR_INSTANCE_EXISTS" });
  });

  it("uses a record of a later release whose oldest reader is this one, and writes back what that release added", async () => {
    await aHostThatWentAway(true);
    const { config, image } = JSON.parse(await readFile(recordPath(), "utf8"));
    const added = {
      version: 9,
      minReader: 1,
      novelty: { a: 1 },
      config: { ...config, devices: { data: { type: "hologram", size: 1 } }, other: { b: 2 }, limits: { io: 1 } },
      image: { ...image, process: { novelty: 1 }, novelty: 1 },
    };
    await patchRecord(added);
    const instance = await (await place.open()).get("a");
    await instance.freeze();
    await instance.unfreeze();
    await instance.stop();
    const { config: kept, ...rest } = added;
    expect(JSON.parse(await readFile(recordPath(), "utf8"))).toMatchObject({ ...rest, config: kept, state: "stopped" });
    await instance.delete();
  });

  it("does not start an instance without a device that a later release gave it, and lists and deletes it", async () => {
    await aHostThatWentAway();
    const { config } = JSON.parse(await readFile(recordPath(), "utf8"));
    await patchRecord({ config: { ...config, devices: { data: { type: "hologram" } } } });
    const host = await place.open();
    const instance = await host.get("a");
    const refused = { code: "ERR_HOST", missing: [{ need: "device-type:hologram" }] };
    await expect(instance.start()).rejects.toMatchObject(refused);
    expect(await host.list()).toMatchObject([{ name: "a", state: "stopped", config: { devices: { data: {} } } }]);
    await instance.delete();
  });

  it("shows a record of a later release that has a state and devices of which this release knows nothing", async () => {
    await aHostThatWentAway();
    const { config } = JSON.parse(await readFile(recordPath(), "utf8"));
    const later = { ...config, devices: { eth0: { type: "nic", network: 7 } } };
    await patchRecord({ version: 9, minReader: 9, state: "migrating", config: later });
    expect(await (await place.open()).list()).toMatchObject([{ name: "a", state: "error" }]);
  });

  it("opens even if a driver cannot answer, shows the instance in error, and recovers once it can", async () => {
    await aHostThatWentAway(true);
    place.scripted.script.adopt = () => Promise.reject(new Error("monitor does not answer"));
    const host = await place.open();
    const instance = await host.get("a");
    expect(await instance.inspect()).toMatchObject({
      state: "error",
      error: expect.stringContaining("monitor does not answer"),
    });
    await expect(instance.stop()).rejects.toThrow("monitor does not answer");
    place.scripted.script = {};
    expect(await instance.state()).toBe("running");
    expect((await instance.inspect()).error).toBeUndefined();
    await instance.stop();
  });

  it("detaches from a run whose state cannot be read, and finds it again at the next call", async () => {
    await aHostThatWentAway(true);
    place.scripted.script.isFrozen = () => Promise.reject(new Error("no answer"));
    const host = await place.open();
    expect(await (await host.get("a")).state()).toBe("error");
    expect(place.scripted.calls).toEqual(["adopt a", "detach a"]);
    expect(String(await host.doctor())).toContain("no answer");
    place.scripted.script = {};
    expect(await (await host.get("a")).state()).toBe("running");
  });

  it("takes no lock and asks no driver, so that no instance can delay it", async () => {
    await aHostThatWentAway(true);
    await using _lock = await acquireLock(place.lock("a"));
    place.scripted.script.adopt = () => new Promise(() => undefined);
    const host = await place.recovered();
    await (await host.create({ ...CONFIG, name: "b" })).start();
    expect(await host.list()).toMatchObject([
      { name: "a", state: "running" },
      { name: "b", state: "running" },
    ]);
    expect(place.scripted.calls).not.toContain("adopt a");
  });

  it("does not wait for a driver that never finishes an undoing, and tells in doctor()", async () => {
    await aHostThatWentAway();
    await patchRecord({ phase: "creating" });
    const removing = gate();
    place.scripted.script.remove = removing.pass;
    const host = await place.open();
    await removing.arrived;
    await (await host.create({ ...CONFIG, name: "b" })).start();
    expect(await host.list()).toMatchObject([{ name: "b", state: "running" }]);
    expect(String(await host.doctor())).toContain('instance "a": what a crash left of it is still being cleared');
    removing.open();
    await vi.waitFor(async () => expect(String(await host.doctor())).not.toContain("still being cleared"), 10_000);
  });

  it.each([
    ["the host", (host: Awaited<ReturnType<typeof place.open>>) => host.watch()],
    ["an instance", async (host: Awaited<ReturnType<typeof place.open>>) => (await host.get("a")).watch()],
  ])("tells a watcher of %s how an instance ends that ran before", async (_, watch) => {
    await aHostThatWentAway(true);
    const host = await place.open();
    const events = (await watch(host))[Symbol.asyncIterator]();
    await vi.waitFor(() => expect(place.scripted.calls).toEqual(["adopt a"]));
    place.scripted.run("a").end({ kind: "exited", code: 3 });
    expect((await events.next()).value).toMatchObject({ type: "state", state: "stopped" });
    expect((await events.next()).value).toMatchObject({ type: "exit", exit: { status: { code: 3 } } });
  });

  it("can delete an instance in error", async () => {
    await aHostThatWentAway(true);
    place.scripted.script.adopt = () => Promise.reject(new Error("monitor does not answer"));
    const host = await place.open();
    await (await host.get("a")).delete();
    expect(await readdir(`${place.root}/instances`)).toEqual([]);
  });
});
