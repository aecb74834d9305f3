import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { InstanceEvent } from "../../src/contract/events.ts";
import { StateError } from "../../src/errors/all.ts";
import { gate, scriptedRoot, untilAborted } from "./scripted.ts";

let place: Awaited<ReturnType<typeof scriptedRoot>>;
beforeEach(async () => {
  place = await scriptedRoot();
});
afterEach(() => place.dispose());

const CONFIG = { driver: "scripted", name: "a", image: "base" } as const;

async function created() {
  const host = await place.open();
  return { host, instance: await host.create(CONFIG) };
}

const launches = () => place.scripted.calls.filter((call) => call.startsWith("launch")).length;

describe("start", () => {
  it("launches once for simultaneous calls, and not at all while running", async () => {
    const { instance } = await created();
    await Promise.all([instance.start(), instance.start(), instance.start()]);
    await instance.start();
    expect(launches()).toBe(1);
    expect(await instance.state()).toBe("running");
    expect((await instance.inspect()).pid).toBe(4242);
  });

  it("that fails leaves the instance stopped and cleaned up by the driver, and can be repeated", async () => {
    const { instance } = await created();
    const fault = new Error("no power");
    place.scripted.script.launch = () => Promise.reject(fault);
    await expect(instance.start()).rejects.toMatchObject({ code: "ERR_DRIVER", step: "launch", cause: fault });
    expect(place.scripted.calls.slice(-2)).toEqual(["launch a", "adopt a"]);
    expect(await instance.state()).toBe("stopped");
    place.scripted.script = {};
    await instance.start();
    expect(await instance.state()).toBe("running");
  });

  it("whose undoing fails too reports both failures, and the next verb undoes it", async () => {
    const { instance } = await created();
    place.scripted.script.launch = () => Promise.reject(new Error("no power"));
    place.scripted.script.adopt = () => Promise.reject(new Error("no answer"));
    await expect(instance.start()).rejects.toMatchObject({
      cause: { message: "no power" },
      cleanupFailures: [{ step: "adopt", cause: { message: "no answer" } }],
    });
    place.scripted.script = {};
    expect(await instance.state()).toBe("stopped");
    await instance.start();
  });

  it("aborted by the call that began it is undone and rejects with the reason itself", async () => {
    const { instance } = await created();
    const controller = new AbortController();
    const reason = { not: "an error" };
    place.scripted.script.launch = ({ signal }) => untilAborted(signal);
    const starting = instance.start({ signal: controller.signal });
    setImmediate(() => controller.abort(reason));
    await expect(starting).rejects.toBe(reason);
    expect(await instance.state()).toBe("stopped");
  });

  it("aborted too late for the driver to notice kills what it launched", async () => {
    const { instance } = await created();
    const controller = new AbortController();
    place.scripted.script.launch = () => controller.abort(new Error("late"));
    await expect(instance.start({ signal: controller.signal })).rejects.toThrow("late");
    expect(place.scripted.runs.size).toBe(0);
    expect(await instance.state()).toBe("stopped");
  });

  it("goes on for calls that joined when the call that began it gives up", async () => {
    const { instance } = await created();
    const controller = new AbortController();
    let first = true;
    const launching = gate();
    place.scripted.script.launch = async ({ signal }) => {
      if (!first) return;
      first = false;
      void launching.pass();
      await untilAborted(signal);
    };
    const began = instance.start({ signal: controller.signal });
    const joined = instance.start();
    await launching.arrived;
    controller.abort(new Error("never mind"));
    await expect(began).rejects.toThrow("never mind");
    await joined;
    expect(await instance.state()).toBe("running");
  });

  it("is not undone when a call that joined gives up", async () => {
    const { instance } = await created();
    const launching = gate();
    place.scripted.script.launch = launching.pass;
    const began = instance.start();
    await launching.arrived;
    const controller = new AbortController();
    const joined = instance.start({ signal: controller.signal });
    controller.abort(new Error("bored"));
    await expect(joined).rejects.toThrow("bored");
    launching.open();
    await began;
    expect(await instance.state()).toBe("running");
  });

  it("during a stop waits for it, then starts", async () => {
    const { instance } = await created();
    await instance.start();
    const asked = gate();
    place.scripted.script.shutdown = asked.pass;
    const stopping = instance.stop();
    await asked.arrived;
    const starting = instance.start();
    place.scripted.run("a").end({ kind: "exited", code: 0 });
    asked.open();
    await stopping;
    await starting;
    expect(await instance.state()).toBe("running");
    expect(launches()).toBe(2);
  });
});

describe("the end of a run", () => {
  it("that no caller requested is reported by wait(), the record and the events", async () => {
    const { host, instance } = await created();
    await instance.start();
    const events: InstanceEvent[] = [];
    const watching = (async () => {
      for await (const event of host.watch()) {
        events.push(event);
        if (event.type === "exit") return;
      }
    })();
    const waiting = instance.wait();
    place.scripted.run("a").end({ kind: "exited", code: 7 });
    expect(await waiting).toMatchObject({ reason: "program", status: { kind: "exited", code: 7 } });
    await watching;
    expect(events).toMatchObject([
      { type: "state", previous: "running", state: "stopped" },
      { type: "exit", exit: { reason: "program" } },
    ]);
    expect(await instance.wait()).toEqual((await instance.inspect()).exit);
  });

  it("that its driver cannot report is an error in this process alone, until the next call asks again", async () => {
    const { host, instance } = await created();
    await instance.start();
    const changed = host.watch()[Symbol.asyncIterator]();
    place.scripted.script.kill = () => place.scripted.run("a").breakPromise(new Error("the monitor talks nonsense"));
    await expect(instance.stop({ mode: "kill" })).rejects.toThrow("the monitor talks nonsense");
    await changed.next();
    expect((await changed.next()).value).toMatchObject({ previous: "stopping", state: "error" });
    expect(await host.list()).toMatchObject([
      { state: "error", error: expect.stringContaining("the monitor talks nonsense") },
    ]);
    expect(place.scripted.calls).toContain("detach a");
    const record = await readFile(`${place.root}/names/a/instance.json`, "utf8");
    expect(JSON.parse(record)).toMatchObject({ state: "stopping" });
    place.scripted.runs.clear();
    expect(await instance.state()).toBe("stopped");
    expect((await instance.inspect()).error).toBeUndefined();
  });

  it("of an instance that never ran cannot be waited for", async () => {
    const { instance } = await created();
    const refused = expect(instance.wait()).rejects;
    await refused.toBeInstanceOf(StateError);
    await refused.toThrow('cannot wait for instance "a": it has never run: start() it');
  });

  it("ends a wait for readiness", async () => {
    const { instance } = await created();
    await instance.start();
    await instance.ready();
    await instance.stop();
    await expect(instance.ready()).rejects.toMatchObject({ code: "ERR_INSTANCE_STATE", state: "stopped" });
  });
});

describe("delete", () => {
  it("kills what runs and leaves no file and no lock", async () => {
    const { host, instance } = await created();
    await instance.start();
    const watching = (async () => {
      const types: string[] = [];
      for await (const event of instance.watch()) types.push(event.type);
      return types;
    })();
    await instance.delete();
    await instance.delete();
    expect(place.scripted.runs.size).toBe(0);
    expect(await watching).toEqual(["state", "state", "exit", "deleted"]);
    expect(await readdir(`${place.root}/instances`)).toEqual([]);
    expect(await readdir(`${place.root}/locks`)).toEqual(["host"]);
    await expect(host.get("a")).rejects.toMatchObject({ code: "ERR_INSTANCE_NOT_FOUND" });
    await expect(instance.start()).rejects.toMatchObject({ code: "ERR_INSTANCE_STATE", state: "deleted" });
  });

  it("leaves a later instance of the same name alone", async () => {
    const { host, instance } = await created();
    await instance.delete();
    const second = await host.create(CONFIG);
    await instance.delete();
    expect(await second.state()).toBe("stopped");
    await expect(instance.state()).rejects.toMatchObject({ state: "deleted" });
  });

  it("that fails can be repeated, and is finished at the next open", async () => {
    const { host, instance } = await created();
    place.scripted.script.remove = () => Promise.reject(new Error("busy"));
    await expect(instance.delete()).rejects.toThrow("busy");
    expect(await host.list()).toEqual([]);
    place.scripted.script = {};
    await place.recovered();
    expect(existsSync(`${place.root}/names/a`)).toBe(false);
  });

  it("that failed halfway leaves an instance that accepts only another delete", async () => {
    const { instance } = await created();
    await instance.start();
    place.scripted.script.remove = () => Promise.reject(new Error("busy"));
    await expect(instance.delete()).rejects.toThrow("busy");
    const refused = { code: "ERR_INSTANCE_STATE", state: "deleted" };
    const verbs = [
      "start",
      "stop",
      "restart",
      "freeze",
      "unfreeze",
      "state",
      "inspect",
      "ready",
      "wait",
      "metrics",
    ] as const;
    for (const verb of verbs) await expect(instance[verb](), verb).rejects.toMatchObject(refused);
    await expect(instance.exec(["true"])).rejects.toMatchObject(refused);
    await expect(instance.files.listAll("/")).rejects.toMatchObject(refused);
    await expect(instance.logs({ stream: "console" })).rejects.toMatchObject(refused);
    place.scripted.script = {};
    await instance.delete();
    expect(await readdir(`${place.root}/instances`)).toEqual([]);
  });

  it("that has failed can be repeated by whoever finds the instance by its name", async () => {
    const { host } = await created();
    place.scripted.script = { remove: () => Promise.reject(new Error("a process in state D")) };
    await expect((await host.get("a")).delete()).rejects.toThrow("a process in state D");
    const found = await host.get("a");
    await expect(found.start()).rejects.toMatchObject({ code: "ERR_INSTANCE_STATE", state: "deleted" });
    await expect((await host.get("a")).delete()).rejects.toThrow("a process in state D");
    place.scripted.script = {};
    await (await host.get("a")).delete();
    await expect(host.get("a")).rejects.toMatchObject({ code: "ERR_INSTANCE_NOT_FOUND" });
    expect(await readdir(`${place.root}/instances`)).toEqual([]);
  });

  it("that could not find what runs ends it when it is repeated", async () => {
    const { host, instance } = await created();
    await instance.start();
    await host[Symbol.asyncDispose]();
    const fail = () => Promise.reject(new Error("no descriptor left"));
    place.scripted.script = { adopt: fail, remove: fail };
    const found = await (await place.open()).get("a");
    await expect(found.delete()).rejects.toThrow("no descriptor left");
    place.scripted.script = {};
    await found.delete();
    expect(place.scripted.runs.size).toBe(0);
    expect(await readdir(`${place.root}/instances`)).toEqual([]);
  });
});

describe("restart", () => {
  it("stops, then starts", async () => {
    const { instance } = await created();
    await instance.start();
    await instance.restart();
    expect(await instance.state()).toBe("running");
    expect(launches()).toBe(2);
  });
});
