import { readdir } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Journal } from "../../../src/engine/journal/journal.ts";
import { collect } from "../../../src/testing/kit/expect.ts";
import { gate, scriptedRoot } from "../scripted.ts";

let place: Awaited<ReturnType<typeof scriptedRoot>>;
beforeEach(async () => {
  place = await scriptedRoot();
});
afterEach(async () => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  await place.dispose();
});

const CONFIG = { driver: "scripted", name: "a", image: "base" } as const;
type Instance = Awaited<ReturnType<Awaited<ReturnType<typeof place.open>>["get"]>>;
const names = async () => (await readdir(`${place.root}/names`)).sort();
const overtaken = { code: "ERR_INSTANCE_STATE", message: expect.stringContaining("has overtaken this one") };

/** Lets the networks never answer a rename to that name, until `answer()`. `arrived` resolves once they were asked. */
function networksHangAt(to: string) {
  const wait = gate();
  place.renaming.step = ({ name }) => (name === to ? wait.pass() : undefined);
  const heal = () => {
    place.renaming.step = () => undefined;
  };
  return { arrived: wait.arrived, answer: wait.open, heal };
}

/** A rename of instance `a` to `b`, which hangs in the networks. */
async function hanging() {
  const instance = await (await place.open()).create(CONFIG);
  await instance.start();
  const networks = networksHangAt("b");
  const renaming = instance.rename("b");
  renaming.catch(() => undefined);
  await networks.arrived;
  return { instance, renaming, ...networks };
}

/** A rename of `a` to `b` that failed while the networks could not give the old name back either. */
async function neitherDoneNorUndone(host?: Awaited<ReturnType<typeof place.open>>) {
  const instance = await (host ?? (await place.open())).create(CONFIG);
  await instance.start();
  place.renaming.step = () => {
    throw new Error("no dnsmasq");
  };
  await expect(instance.rename("b")).rejects.toThrow("no dnsmasq");
  expect(await names()).toEqual(["a", "b"]);
  return instance;
}

/** Does the call while time flies. */
async function quickly<T>(call: () => Promise<T>): Promise<T> {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  let over = false;
  const settled = call().finally(() => {
    over = true;
  });
  settled.catch(() => undefined);
  while (!over) await vi.advanceTimersByTimeAsync(1000);
  vi.useRealTimers();
  return settled;
}

describe.each(["this host", "another host"])("a rename whose networks never answer, and %s", (where) => {
  const seenBy = async (instance: Instance): Promise<Instance> =>
    where === "this host" ? instance : (await place.open()).get("a");

  it("is overtaken by a kill, and undone by the next call", async () => {
    const { instance, renaming, heal } = await hanging();
    const killer = await seenBy(instance);
    await killer.stop({ mode: "kill" });
    await expect(renaming).rejects.toMatchObject(overtaken);
    expect([await killer.state(), killer.name]).toEqual(["stopped", "a"]);
    heal();
    await killer.start();
    expect([await names(), [...place.reserved]]).toEqual([["a"], ["a"]]);
    await instance.rename("b");
    expect([await names(), [...place.reserved]]).toEqual([["b"], ["b"]]);
  });

  it("is overtaken by a deletion, which leaves no name", async () => {
    const { instance, renaming } = await hanging();
    await (await seenBy(instance)).delete();
    await expect(renaming).rejects.toMatchObject(overtaken);
    expect([await names(), await readdir(`${place.root}/instances`)]).toEqual([[], []]);
  });
});

describe("a rename that was overtaken", () => {
  it("changes nothing when its networks answer after all", async () => {
    const { instance, renaming, answer } = await hanging();
    await instance.stop({ mode: "kill" });
    await expect(renaming).rejects.toMatchObject(overtaken);
    place.renaming.step = () => undefined;
    await instance.rename("c");
    answer();
    await instance.start();
    expect([instance.name, await names()]).toEqual(["c", ["c"]]);
  });

  it("while it is undone takes no later name away when that ends after all", async () => {
    const instance = await (await place.open()).create(CONFIG);
    await instance.start();
    const undoing = gate();
    place.renaming.step = ({ name }) => {
      if (name === "b") throw new Error("no dnsmasq");
      return undoing.pass();
    };
    const renaming = instance.rename("b");
    renaming.catch(() => undefined);
    await undoing.arrived;
    await instance.stop({ mode: "kill" });
    await expect(renaming).rejects.toMatchObject(overtaken);
    place.renaming.step = () => undefined;
    await instance.rename("b");
    undoing.open();
    await instance.start();
    expect([instance.name, await names()]).toEqual(["b", ["b"]]);
  });
});

describe("networks that never answer", () => {
  it("end a rename after a minute, and its undoing after five seconds", async () => {
    const instance = await (await place.open()).create(CONFIG);
    await instance.start();
    place.renaming.step = () => new Promise(() => undefined);
    const before = Date.now();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"], now: before });
    const failing = instance.rename("b").then(
      () => expect.unreachable("it resolved"),
      (error: unknown) => ({ error, after: Date.now() - before }),
    );
    let ended: Awaited<typeof failing> | undefined;
    void failing.then((result) => {
      ended = result;
    });
    while (ended === undefined) await vi.advanceTimersByTimeAsync(1000);
    vi.useRealTimers();
    expect(ended.error).toMatchObject({
      code: "ERR_TIMEOUT",
      timeout: 60_000,
      message: expect.stringMatching(/^giving the networks the name of instance "b" did not finish .*host\.doctor\(\)/),
    });
    expect(ended.after).toBeGreaterThanOrEqual(65_000);
    expect(ended.after).toBeLessThan(70_000);
    place.renaming.step = () => undefined;
    expect(await instance.state()).toBe("running");
    await instance.rename("b");
    expect(await names()).toEqual(["b"]);
  });

  it("keep no call waiting for long that comes after a rename which could not be undone", async () => {
    const instance = await neitherDoneNorUndone();
    let asked = 0;
    place.renaming.step = () => {
      asked += 1;
      return new Promise(() => undefined);
    };
    const [inTime, later] = [performance.now() + 50_000, performance.now() + 70_000];
    const now = vi.spyOn(performance, "now").mockReturnValue(inTime);
    await instance.freeze();
    expect([asked, await instance.state()]).toEqual([0, "frozen"]);
    now.mockReturnValue(later);
    await quickly(() => instance.unfreeze());
    expect([asked, await instance.state()]).toEqual([1, "running"]);
    await instance.freeze();
    expect([asked, await instance.state()]).toEqual([1, "frozen"]);
    // Not even for seconds.
    now.mockReturnValue(later + 70_000);
    await instance.stop({ mode: "kill" });
    expect([asked, await instance.state()]).toEqual([1, "stopped"]);
  });

  it("keep no orderly stop waiting, nor the end of what runs", async () => {
    const instance = await neitherDoneNorUndone();
    let asked = 0;
    place.renaming.step = () => {
      asked += 1;
      return new Promise(() => undefined);
    };
    await instance.stop({ mode: "ask" });
    expect([asked, await quickly(() => instance.state())]).toEqual([0, "stopped"]);
  });

  it.each(["bringUp", "release"] as const)("at %s end the call", async (step) => {
    const instance = await (await place.open()).create(CONFIG);
    place.networkSteps[step] = () => new Promise(() => undefined);
    const failing = quickly(() => (step === "bringUp" ? instance.start() : instance.delete()));
    const timeout = step === "bringUp" ? 120_000 : 60_000;
    await expect(failing).rejects.toMatchObject({ code: "ERR_TIMEOUT", timeout });
    delete place.networkSteps[step];
    await instance.delete();
    expect(await names()).toEqual([]);
  });
});

describe("a rename that was neither done nor undone", () => {
  it("is named by doctor(), with the reason, until it is undone", async () => {
    const here = await place.open();
    const instance = await neitherDoneNorUndone(here);
    expect(String(await here.doctor())).toMatch(/instance "a": a rename .* is not undone, .*: no dnsmasq/);
    place.renaming.step = () => undefined;
    const there = await place.open();
    expect(String(await there.doctor())).not.toMatch(/a rename/);
    expect([String(await here.doctor()), await names()]).toEqual([expect.not.stringMatching(/a rename/), ["a"]]);
    expect(await instance.state()).toBe("running");
  });

  it("is named by doctor() while its networks do not answer, each of several", async () => {
    const host = await place.open();
    place.renaming.step = () => {
      throw new Error("no dnsmasq");
    };
    const wanted = ["a", "b", "c"];
    for (const name of wanted) {
      const instance = await host.create({ ...CONFIG, name });
      await expect(instance.rename(`${name}${name}`)).rejects.toThrow("no dnsmasq");
    }
    const waits = wanted.map(gate);
    let asked = 0;
    place.renaming.step = () => waits[asked++]?.pass();
    const there = await place.open();
    await Promise.all(waits.map(({ arrived }) => arrived));
    const report = String(await quickly(() => there.doctor()));
    for (const name of wanted) expect(report).toMatch(new RegExp(`instance "${name}": a rename`));
  });

  it("is not told beside a later one to the same name", async () => {
    const instance = await neitherDoneNorUndone();
    place.renaming.step = ({ name }) => {
      if (name === "a") throw new Error("no dnsmasq");
    };
    await instance.rename("b");
    await instance.delete();
    const events = await collect((await place.open()).watch({ since: "oldest" }), ({ type }) => type === "deleted");
    expect(events.filter(({ type }) => type === "renamed")).toHaveLength(1);
    const journal = new Journal(`${place.root}/journal`, { event: () => undefined, missed: () => undefined });
    expect(journal.openOperations()).toEqual([]);
    journal.close();
  });

  it("leaves no name when the instance is deleted", async () => {
    await (await neitherDoneNorUndone()).delete();
    expect(await names()).toEqual([]);
  });
});
