import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { scriptedRoot } from "./scripted.ts";

let place: Awaited<ReturnType<typeof scriptedRoot>>;
beforeEach(async () => {
  place = await scriptedRoot();
});
afterEach(() => place.dispose());

const CONFIG = { driver: "scripted", name: "a", image: "base" } as const;
const recordPath = () => `${place.root}/instances/a/instance.json`;

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
    const host = await place.open();
    expect(place.scripted.calls).toEqual(["adopt a"]);
    const instance = await host.get("a", { driver: "scripted" });
    expect(await instance.state()).toBe("running");
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
    expect(place.scripted.calls).toEqual(["adopt a", "kill a"]);
    expect(await (await host.get("a")).state()).toBe("stopped");
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
    const host = await place.open();
    expect(place.scripted.calls).toEqual(["remove a"]);
    expect(await host.list()).toEqual([]);
    expect(await readdir(`${place.root}/instances`)).toEqual([]);
    expect(await readdir(`${place.root}/locks`)).toEqual(["host"]);
  });

  it("leaves alone what another process is creating right now", async () => {
    await aHostThatWentAway();
    await patchRecord({ phase: "creating" });
    const other = spawn("flock", [`${place.root}/locks/instance-a`, "sh", "-c", "echo held; exec cat"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    await once(other.stdout, "data");
    const host = await place.open();
    expect(existsSync(recordPath())).toBe(true);
    expect(await host.list()).toEqual([]);
    await expect(host.get("a")).rejects.toMatchObject({ code: "ERR_INSTANCE_NOT_FOUND" });
    other.stdin.end();
    await once(other, "exit");
  });

  it("clears away the folder of a create that had no record yet", async () => {
    await place.open();
    await mkdir(`${place.root}/instances/a`);
    await writeFile(`${place.root}/instances/a/.instance.json.1.tmp`, "{");
    await place.open();
    expect(await readdir(`${place.root}/instances`)).toEqual([]);
  });

  it("clears away a partially written record", async () => {
    await aHostThatWentAway();
    await writeFile(`${place.root}/instances/a/.instance.json.1.tmp`, "{");
    await place.open();
    expect(await readdir(`${place.root}/instances/a`)).not.toContain(".instance.json.1.tmp");
  });

  it("clears away the lock of a create that had nothing else yet", async () => {
    await place.open();
    await writeFile(`${place.root}/locks/instance-a`, "");
    await place.open();
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
    await writeFile(`${place.root}/instances/a/precious`, "data");
    const host = await place.open();
    await host.create({ ...CONFIG, name: "b" });
    expect(await host.list()).toMatchObject([{ name: "b" }]);
    expect(await readdir(`${place.root}/instances/a`)).toContain("precious");
    expect(await readdir(`${place.root}/instances/a`)).toContain("instance.json");
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
    await patchRecord({ version: 2, novelty: true });
    const host = await place.open();
    expect(JSON.parse(await readFile(recordPath(), "utf8"))).toMatchObject({ version: 2, novelty: true });
    expect(await host.list()).toMatchObject([
      { name: "a", state: "error", error: expect.stringContaining("version 2") },
    ]);
    expect(String(await host.doctor())).toContain("version 2");
    const refused = { code: "ERR_HOST", missing: [{ need: "release" }] };
    await expect(host.get("a")).rejects.toMatchObject(refused);
    await expect(host.create(CONFIG)).rejects.toMatchObject({ code: "ERR_INSTANCE_EXISTS" });
  });

  it("writes back what another release added to a record", async () => {
    await aHostThatWentAway();
    const { config } = JSON.parse(await readFile(recordPath(), "utf8"));
    const devices = { data: { type: "disk", size: 1 } };
    await patchRecord({ novelty: { a: 1 }, config: { ...config, devices, other: { b: 2 } } });
    const instance = await (await place.open()).get("a");
    await instance.start();
    await instance.stop();
    expect(JSON.parse(await readFile(recordPath(), "utf8"))).toMatchObject({
      state: "stopped",
      novelty: { a: 1 },
      config: { devices, other: { b: 2 } },
    });
    await instance.delete();
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
    expect(place.scripted.calls).toEqual(["adopt a", "detach a"]);
    expect(String(await host.doctor())).toContain("no answer");
    place.scripted.script = {};
    expect(await (await host.get("a")).state()).toBe("running");
  });

  it("can delete an instance in error", async () => {
    await aHostThatWentAway(true);
    place.scripted.script.adopt = () => Promise.reject(new Error("monitor does not answer"));
    const host = await place.open();
    await (await host.get("a")).delete();
    expect(await readdir(`${place.root}/instances`)).toEqual([]);
  });
});
