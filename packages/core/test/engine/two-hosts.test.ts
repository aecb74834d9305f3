import { readdir } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { gate, scriptedRoot } from "./scripted.ts";

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
