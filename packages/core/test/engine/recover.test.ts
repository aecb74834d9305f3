import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { gate, scriptedRoot } from "./scripted.ts";

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
  it("finds what runs, and tells of its end", async () => {
    await aHostThatWentAway(true);
    const host = await place.open();
    expect(place.scripted.calls).toEqual(["adopt a"]);
    const instance = await host.get("a", { driver: "scripted" });
    expect(await instance.state()).toBe("running");
    place.scripted.run("a").end({ kind: "signaled", signal: "SIGSEGV" });
    expect(await instance.wait()).toMatchObject({ reason: "program", status: { signal: "SIGSEGV" } });
  });

  it("finds a frozen one frozen, though its freeze was cut short of being on record", async () => {
    await aHostThatWentAway(true);
    place.scripted.run("a").frozen = true;
    const host = await place.open();
    expect(await (await host.get("a")).state()).toBe("frozen");
  });

  it("says that what ended meanwhile was lost", async () => {
    await aHostThatWentAway(true);
    place.scripted.run("a").end();
    const host = await place.open();
    expect(await (await host.get("a")).inspect()).toMatchObject({ state: "stopped", exit: { reason: "lost" } });
  });

  it("says how what ended meanwhile ended, where the driver can tell", async () => {
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

  it("takes a stop that was cut short for asked, and the instance for running until it ends", async () => {
    await aHostThatWentAway(true);
    await patchRecord({ state: "stopping", asked: true });
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

  it("sets a record with garbage aside under a name of its own, deletes nothing, and tells in doctor()", async () => {
    await aHostThatWentAway();
    await writeFile(recordPath(), "\0\0\0\0");
    await writeFile(`${place.root}/instances/a/precious`, "data");
    const host = await place.open();
    expect((await readdir(`${place.root}/instances/a`)).sort()).toEqual([
      "instance.json.unreadable",
      "log",
      "precious",
      "run",
    ]);
    expect(await host.list()).toEqual([]);
    expect(String(await host.doctor())).toContain(`${recordPath()}.unreadable`);
    await expect(host.create(CONFIG)).rejects.toMatchObject({ code: "ERR_INSTANCE_EXISTS" });
    expect(String(await (await place.open()).doctor())).toContain("has no record");
  });

  it("leaves a record of a later release where it is, and tells in doctor()", async () => {
    await aHostThatWentAway();
    await patchRecord({ version: 2, novelty: true });
    const host = await place.open();
    expect(JSON.parse(await readFile(recordPath(), "utf8"))).toMatchObject({ version: 2, novelty: true });
    expect(await host.list()).toEqual([]);
    expect(String(await host.doctor())).toContain("version 2");
    await expect(host.create(CONFIG)).rejects.toMatchObject({ code: "ERR_INSTANCE_EXISTS" });
  });

  it("opens although a driver cannot tell, shows the instance in error, and heals once it can", async () => {
    await aHostThatWentAway(true);
    place.scripted.script.adopt = () => Promise.reject(new Error("monitor does not answer"));
    const host = await place.open();
    const instance = await host.get("a");
    expect(await instance.inspect()).toMatchObject({ state: "error", error: "monitor does not answer" });
    await expect(instance.stop()).rejects.toThrow("monitor does not answer");
    place.scripted.script = {};
    expect(await instance.state()).toBe("running");
    expect((await instance.inspect()).error).toBeUndefined();
    await instance.stop();
  });

  it("lets go of a run that cannot say what it is, and finds it again when asked", async () => {
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

describe("two hosts on one root", () => {
  it("see one another's instances, runs and ends", async () => {
    const one = await place.open();
    const two = await place.open();
    const mine = await one.create(CONFIG);
    const theirs = await two.get("a", { driver: "scripted" });
    await mine.start();
    expect(await theirs.state()).toBe("running");
    expect((await theirs.metrics()).cpu.usage).toBe(1);
    const waiting = mine.wait();
    await theirs.stop();
    expect(await waiting).toMatchObject({ reason: "requested" });
    expect(await mine.state()).toBe("stopped");
    await theirs.start();
    expect(await mine.state()).toBe("running");
    await mine.delete();
    await expect(theirs.state()).rejects.toMatchObject({ state: "deleted" });
  });

  /** An instance in two hosts, the first of which waits for its end. */
  async function stopUnderWay() {
    const one = await place.open();
    const mine = await one.create(CONFIG);
    const theirs = await (await place.open()).get("a");
    await mine.start();
    const asked = gate();
    place.scripted.script.shutdown = asked.pass;
    const stopping = mine.stop();
    await asked.arrived;
    return { one, mine, theirs, asked, stopping };
  }

  it("see a stop under way for one, wait for it with a start, and do not cut it short", async () => {
    const { mine, theirs, asked, stopping } = await stopUnderWay();
    expect(await theirs.state()).toBe("stopping");
    await expect(theirs.stop({ timeout: 20 })).rejects.toMatchObject({ code: "ERR_INSTANCE_TIMEOUT" });
    expect(await mine.state()).toBe("stopping");
    const starting = theirs.start();
    place.scripted.run("a").end({ kind: "exited", code: 0 });
    asked.open();
    await stopping;
    await starting;
    expect(await theirs.state()).toBe("running");
    expect(place.scripted.calls.filter((call) => call === "launch a")).toHaveLength(2);
    expect(place.scripted.calls.filter((call) => call === "shutdown a")).toHaveLength(1);
    expect((await readdir(`${place.root}/locks`)).sort()).toEqual(["host", "instance-a"]);
  });

  it("take the instance for running again when the one that stops it goes away", async () => {
    const { one, theirs, stopping } = await stopUnderWay();
    const starting = theirs.start();
    await Promise.all([one[Symbol.asyncDispose](), expect(stopping).rejects.toThrow("disposed")]);
    await starting;
    expect(await theirs.state()).toBe("running");
    expect(place.scripted.calls.filter((call) => call === "launch a")).toHaveLength(1);
  });

  it("launch once when both are asked to start", async () => {
    const one = await place.open();
    const two = await place.open();
    const mine = await one.create(CONFIG);
    const theirs = await two.get("a");
    const launching = gate();
    place.scripted.script.launch = launching.pass;
    const both = Promise.all([mine.start(), theirs.start()]);
    await launching.arrived;
    launching.open();
    await both;
    expect(place.scripted.calls.filter((call) => call === "launch a")).toHaveLength(1);
  });
});

describe("disposing of a host", () => {
  it("detaches from what runs, twice over, and refuses what is asked afterwards", async () => {
    const host = await place.open();
    const instance = await host.create(CONFIG);
    await instance.start();
    const watching = (async () => {
      for await (const _ of host.watch());
      for await (const _ of instance.watch());
    })();
    await host[Symbol.asyncDispose]();
    await host[Symbol.asyncDispose]();
    await watching;
    expect(place.scripted.calls).toContain("detach a");
    expect(place.scripted.runs.size).toBe(1);
    await expect(host.create(CONFIG)).rejects.toMatchObject({ code: "ERR_INSTANCE_CONNECTION" });
    await expect(instance.stop()).rejects.toMatchObject({ code: "ERR_INSTANCE_CONNECTION" });
  });
});

describe("opening", () => {
  it("refuses two drivers of one name", async () => {
    const { openHost } = await import("../../src/host.ts");
    const drivers = [place.scripted.driver(), place.scripted.driver()];
    await expect(openHost({ root: place.root, drivers })).rejects.toMatchObject({ code: "ERR_INSTANCE_CONFIG" });
  });

  it.each([
    ["Upper", /RFC 1123 label/],
    ["image", /a key of every configuration/],
  ])("refuses a driver named %s, and says why", async (name, why) => {
    const { openHost } = await import("../../src/host.ts");
    const drivers = [{ ...place.scripted.driver(), name }];
    await expect(openHost({ root: place.root, drivers })).rejects.toThrow(why);
  });

  it("says what to do where the user may not write to the root folder", async () => {
    const parent = join(place.root, "..");
    await chmod(parent, 0o555);
    const uid = process.geteuid?.();
    // Root may write anywhere, and stands for an ordinary user meanwhile.
    if (uid === 0) process.seteuid?.(65534);
    try {
      await expect(place.open()).rejects.toMatchObject({ code: "ERR_INSTANCE_HOST", missing: [{ need: "root" }] });
    } finally {
      if (uid === 0) process.seteuid?.(0);
      await chmod(parent, 0o700);
    }
  });

  it("reports what each driver lacks, with the fix, for a person to read", async () => {
    const host = await place.open();
    const report = await host.doctor();
    expect(report.drivers["scripted"]?.usable).toBe(false);
    expect(String(report)).toMatch(/missing binary:ghost: not on PATH\n {4}fix: apt-get install ghost/);
    expect(String(report)).toContain(process.version);
  });
});
