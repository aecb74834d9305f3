import { randomUUID } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { setImmediate } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { StopMarks } from "../../src/engine/instance/stop-mark.ts";
import { acquireLock, isHeld } from "../../src/system/lock.ts";
import { collect, word } from "../../src/testing/kit/expect.ts";
import { gate, ScriptedRun, scriptedRoot } from "./scripted.ts";

let place: Awaited<ReturnType<typeof scriptedRoot>>;
beforeEach(async () => {
  place = await scriptedRoot();
});
afterEach(() => place.dispose());

const CONFIG = { driver: "scripted", name: "a", image: "base" } as const;

describe("two hosts on one root", () => {
  it("see one another's instances, runs and ends", async () => {
    const one = await place.open();
    const two = await place.open();
    const mine = await one.create(CONFIG);
    const theirs = await two.get("a", { driver: "scripted" });
    await mine.start();
    expect(await theirs.state()).toBe("running");
    expect((await theirs.metrics()).cpu.seconds).toBe(1);
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

  it("see a stop of the other host, wait for it before a start, and do not cut it short", async () => {
    const { mine, theirs, asked, stopping } = await stopUnderWay();
    expect(await theirs.state()).toBe("stopping");
    await expect(theirs.stop({ timeout: 20 })).rejects.toMatchObject({ code: "ERR_TIMEOUT" });
    expect(await mine.state()).toBe("stopping");
    const starting = theirs.start();
    place.scripted.run("a").end({ kind: "exited", code: 0 });
    asked.open();
    await stopping;
    await starting;
    expect(await theirs.state()).toBe("running");
    expect(place.scripted.calls.filter((call) => call === "launch a")).toHaveLength(2);
    expect(place.scripted.calls.filter((call) => call === "shutdown a")).toHaveLength(1);
    expect((await readdir(`${place.root}/locks`)).sort()).toEqual(["host", basename(place.lock("a"))]);
  });

  it("tell that it is stopping, also when the one that does not kill it sees its end first", async () => {
    const instance = await (await place.open()).create(CONFIG);
    await instance.start();
    const seen = collect(instance.watch(), ({ type }) => type === "exit");
    // As a kill of another process marks itself, before it has the lock.
    const unmark = await new StopMarks(`${place.folder("a")}/stops`).mark();
    place.scripted.run("a").end({ kind: "signaled", signal: "SIGKILL" });
    expect(await instance.wait()).toMatchObject({ reason: "requested" });
    expect((await seen).map(word)).toEqual(["running→stopping", "stopping→stopped", "exit requested"]);
    await unmark();
  });

  it("see the instance as running again when the host that stops it goes away", async () => {
    const { one, theirs, stopping } = await stopUnderWay();
    const starting = theirs.start();
    await Promise.all([one[Symbol.asyncDispose](), expect(stopping).rejects.toThrow("disposed")]);
    await starting;
    expect(await theirs.state()).toBe("running");
    expect(place.scripted.calls.filter((call) => call === "launch a")).toHaveLength(1);
  });

  const recordPath = () => `${place.folder("a")}/instance.json`;
  const patchRecord = async (patch: object) =>
    writeFile(recordPath(), JSON.stringify({ ...JSON.parse(await readFile(recordPath(), "utf8")), ...patch }));

  it("learn of the end of a run even if a verb has found the next run before the end was recorded", async () => {
    const instance = await (await place.open()).create(CONFIG);
    await instance.start();
    const waiting = instance.wait();
    // Takes its turn after the look with which waiting begins.
    await instance.unfreeze();
    const lock = await acquireLock(place.lock("a"));
    const before = place.scripted.run("a");
    // What another process does that stops the instance and starts it again.
    place.scripted.runs.set("a", new ScriptedRun());
    const exit = { reason: "requested", at: 1 };
    await patchRecord({ run: randomUUID(), exit });
    const measuring = instance.metrics();
    before.end();
    await setImmediate();
    await lock.release();
    await measuring;
    expect(await waiting).toEqual(exit);
    expect(await instance.state()).toBe("running");
    // It is held since the verb found it.
    expect(place.scripted.calls.filter((call) => call === "adopt a")).toHaveLength(1);
  });

  it("keep the report of an end that another host recorded first", async () => {
    const mine = await (await place.open()).create(CONFIG);
    await mine.start();
    const waiting = mine.wait();
    // Takes its turn after the look with which waiting begins.
    await mine.unfreeze();
    const lock = await acquireLock(place.lock("a"));
    const exit = { reason: "lost", at: 1 };
    await patchRecord({ state: "stopped", exit });
    place.scripted.run("a").end({ kind: "exited", code: 0 });
    await setImmediate();
    await lock.release();
    expect(await waiting).toEqual(exit);
    expect((await mine.inspect()).exit).toEqual(exit);
  });

  it("mark a kill that does not wait for the lock, and record an end under such a mark as requested", async () => {
    const mine = await (await place.open()).create(CONFIG);
    await mine.start();
    const lock = await acquireLock(place.lock("a"));
    const run = place.scripted.run("a");
    const stopping = mine.stop({ mode: "kill" });
    await run.exited;
    const stops = `${place.root}/names/a/stops`;
    // The same call may by now have marked that it waits for the lock.
    const marks = (await readdir(stops)).filter((name) => !name.startsWith("overtaker-"));
    expect(marks).toHaveLength(1);
    expect(isHeld(`${stops}/${marks[0]}`)).toBe(true);
    await lock.release();
    await stopping;
    expect(await readdir(stops)).toEqual([]);

    await mine.start();
    const waiting = mine.wait();
    const mark = await acquireLock(`${stops}/of-another`);
    place.scripted.run("a").end({ kind: "signaled", signal: "SIGKILL" });
    expect(await waiting).toMatchObject({ reason: "requested" });
    await mark.release();
    // The next that ends by itself is not taken for asked for by what is left of a dead process.
    await mine.start();
    const last = mine.wait();
    place.scripted.run("a").end({ kind: "exited", code: 0 });
    expect(await last).toMatchObject({ reason: "program" });
    expect(await readdir(stops)).toEqual([]);
  });

  it("stop and start one instance at the same time, over and over, and every call settles", async () => {
    const mine = await (await place.open()).create(CONFIG);
    const theirs = await (await place.open()).get("a");
    for (let round = 0; round < 60; round += 1) {
      await mine.start();
      if (round % 2 === 0) await theirs.state();
      await Promise.all([mine.stop({ mode: "kill" }), theirs.stop({ mode: "kill" }).then(() => theirs.start())]);
    }
    await mine.start();
    expect(await theirs.state()).toBe("running");
  });

  it("keep what one of them cannot reach from the others", async () => {
    const mine = await (await place.open()).create(CONFIG);
    await mine.start();
    place.scripted.script.adopt = () => Promise.reject(new Error("all monitors are taken"));
    const two = await place.open();
    const theirs = await two.get("a", { driver: "scripted" });
    expect(await theirs.inspect()).toMatchObject({
      state: "error",
      error: expect.stringContaining("all monitors are taken"),
    });
    expect(await two.list()).toMatchObject([
      { state: "error", error: expect.stringContaining("all monitors are taken") },
    ]);
    await expect(theirs.metrics()).rejects.toThrow("all monitors are taken");
    expect(await mine.inspect()).toMatchObject({ state: "running" });
    expect((await mine.inspect()).error).toBeUndefined();
    await mine.metrics();
    await mine.freeze();
    await mine.stop({ mode: "kill" });
    expect(await theirs.state()).toBe("stopped");
    expect(await two.list()).toMatchObject([{ state: "stopped" }]);
  });

  it("correct the error that another host recorded over their run", async () => {
    const mine = await (await place.open()).create(CONFIG);
    await mine.start();
    await patchRecord({ state: "error", error: "no answer" });
    await mine.metrics();
    expect(JSON.parse(await readFile(recordPath(), "utf8"))).toMatchObject({ state: "running" });
    await mine.freeze();
    await patchRecord({ state: "error", error: "no answer" });
    expect(await mine.state()).toBe("frozen");
  });

  it("tell watchers of an instance that the other host deleted it, and end them", async () => {
    const mine = await (await place.open()).create(CONFIG);
    const two = await place.open();
    const theirs = await two.get("a");
    const types: string[] = [];
    const watching = (async () => {
      for await (const event of theirs.watch()) types.push(event.type);
    })();
    await mine.delete();
    await watching;
    expect(types).toEqual(["deleted"]);
    for await (const _ of theirs.watch()) expect.unreachable();
    await expect(theirs.state()).rejects.toMatchObject({ state: "deleted" });
  });

  it("report a deletion at the next call when no watch reported it", async () => {
    const mine = await (await place.open()).create(CONFIG);
    const two = await place.open();
    const theirs = await two.get("a");
    const watching = theirs.watch()[Symbol.asyncIterator]();
    await mine.delete();
    await two.list();
    expect((await watching.next()).value).toMatchObject({ type: "deleted" });
    expect(await watching.next()).toMatchObject({ done: true });
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

describe("disposing a host", () => {
  it("detaches from what runs, also twice, and refuses later calls", async () => {
    const host = await place.open();
    const instance = await host.create(CONFIG);
    await instance.start();
    const watching = (async () => {
      for (const events of [host.watch(), instance.watch()]) for await (const _ of events);
    })();
    await host[Symbol.asyncDispose]();
    await host[Symbol.asyncDispose]();
    await watching;
    expect(place.scripted.calls).toContain("detach a");
    expect(place.scripted.runs.size).toBe(1);
    await expect(host.create(CONFIG)).rejects.toMatchObject({ code: "ERR_CONNECTION" });
    await expect(instance.stop()).rejects.toMatchObject({ code: "ERR_CONNECTION" });
  });
});
