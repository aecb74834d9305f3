import { readdir } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Script } from "./scripted.ts";
import { gate, scriptedRoot } from "./scripted.ts";

let place: Awaited<ReturnType<typeof scriptedRoot>>;
beforeEach(async () => {
  place = await scriptedRoot();
});
afterEach(async () => {
  vi.useRealTimers();
  await place.dispose();
});

const CONFIG = { driver: "scripted", name: "a", image: "base" } as const;
const capabilities = ["freeze", "metrics"] as const;
type Instance = Awaited<ReturnType<Awaited<ReturnType<typeof open>>["get"]>>;
const open = () => place.open(capabilities);

/** Makes the driver never answer at `step`. `arrived` resolves once it was called. */
function hangAt(step: keyof Script) {
  let arrive = () => {};
  const arrived = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  const never = () => {
    arrive();
    return new Promise<never>(() => undefined);
  };
  Object.assign(place.scripted.script, { [step]: never });
  return { arrived, heal: () => Object.assign(place.scripted.script, { [step]: undefined }) };
}

/** An instance, and the call on it that hangs at a step of its driver, in a host of its own. */
async function hanging(step: "launch" | "adopt" | "freeze" | "unfreeze") {
  const first = await open();
  const instance = await first.create(CONFIG);
  if (step !== "launch") await instance.start();
  if (step === "unfreeze") await instance.freeze();
  if (step !== "adopt") {
    const { arrived, heal } = hangAt(step);
    const verb = step === "launch" ? "start" : step;
    const call = instance[verb]();
    call.catch(() => undefined);
    await arrived;
    return { call, heal, host: first, instance };
  }
  await first[Symbol.asyncDispose]();
  const host = await open();
  const found = await host.get("a");
  const { arrived, heal } = hangAt(step);
  const call = found.metrics();
  call.catch(() => undefined);
  await arrived;
  // The next one that asks gets an answer.
  heal();
  return { call, heal, host, instance: found };
}

describe.each(["launch", "adopt", "freeze", "unfreeze"] as const)("a call that hangs at %s of its driver", (step) => {
  it.each(["this host", "another host"])("is overtaken by a kill of %s", async (where) => {
    const { call, heal, host, instance } = await hanging(step);
    const killer: Instance = where === "this host" ? instance : await (await open()).get("a");
    await killer.stop({ mode: "kill" });
    await expect(call).rejects.toMatchObject({ code: "ERR_INSTANCE_STATE" });
    expect(await killer.state()).toBe("stopped");
    expect(place.scripted.runs.size).toBe(0);
    heal();
    const again = await host.get("a");
    await again.start();
    expect(await again.state()).toBe("running");
  });

  it.each(["this host", "another host"])("is overtaken by a deletion of %s, which leaves nothing", async (where) => {
    const { call, instance } = await hanging(step);
    const other: Instance = where === "this host" ? instance : await (await open()).get("a");
    await other.delete();
    await expect(call).rejects.toMatchObject({ code: "ERR_INSTANCE_STATE" });
    expect(place.scripted.runs.size).toBe(0);
    expect(await readdir(`${place.root}/instances`)).toEqual([]);
    // A look of the overtaken host may hold the lock of the instance for one more moment.
    await expect.poll(() => readdir(`${place.root}/locks`), { timeout: 10_000 }).toEqual(["host"]);
  });
});

/** The next launch waits for `go()`; `arrived` resolves when it is under way. */
function heldLaunch() {
  let arrive = () => {};
  const arrived = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  let go = () => {};
  const released = new Promise<void>((resolve) => {
    go = resolve;
  });
  place.scripted.script.launch = () => {
    arrive();
    return released;
  };
  return { arrived, go };
}

describe("a kill", () => {
  it("overtakes a start that goes on in the background because its caller gave up", async () => {
    const host = await open();
    const instance = await host.create(CONFIG);
    const { arrived } = hangAt("launch");
    const controller = new AbortController();
    const starting = instance.start({ signal: controller.signal });
    await arrived;
    controller.abort("enough");
    await expect(starting).rejects.toBe("enough");
    await instance.stop({ mode: "kill" });
    expect(await instance.state()).toBe("stopped");
  });

  it("lets a call end that needs less than a second", async () => {
    const instance = await (await open()).create(CONFIG);
    const { arrived, go } = heldLaunch();
    const starting = instance.start();
    await arrived;
    const killing = instance.stop({ mode: "kill" });
    go();
    await starting;
    await killing;
    expect(place.scripted.calls).toEqual(["materialize a", "launch a", "kill a"]);
  });

  it("ends what a driver launched after a kill had overtaken the start", async () => {
    const instance = await (await open()).create(CONFIG);
    const { arrived, go } = heldLaunch();
    const starting = instance.start();
    starting.catch(() => undefined);
    await arrived;
    await instance.stop({ mode: "kill" });
    await expect(starting).rejects.toThrow("has overtaken this one");
    go();
    await vi.waitFor(() => expect(place.scripted.calls.slice(-1)).toEqual(["kill a"]));
    await vi.waitFor(() => expect(place.scripted.runs.size).toBe(0));
    expect(await instance.state()).toBe("stopped");
  });
});

describe("a step of a driver that never answers", () => {
  /** Lets more than ten minutes pass for the timers of the engine. */
  async function pass(settled: Promise<unknown>): Promise<void> {
    let over = false;
    void settled.finally(() => {
      over = true;
    });
    while (!over) await vi.advanceTimersByTimeAsync(15_000);
  }

  /** Does the call while time flies, and returns its error. */
  async function failureOf(call: () => Promise<unknown>): Promise<Error> {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const failing = call().then(
      () => expect.unreachable("it resolved"),
      (error: unknown) => error as Error,
    );
    await pass(failing);
    vi.useRealTimers();
    return failing;
  }

  it.each([
    ["launch", 120_000, "stopped"],
    ["freeze", 60_000, "running"],
    ["metrics", 180_000, "running"],
  ] as const)("%s has a deadline of %i ms, and leaves the instance %s", async (step, timeout, state) => {
    const instance = await (await open()).create(CONFIG);
    if (step !== "launch") await instance.start();
    const { heal } = hangAt(step);
    const error = await failureOf(() => instance[step === "launch" ? "start" : step]());
    expect(error).toMatchObject({ code: "ERR_TIMEOUT", timeout });
    expect(error.message).toMatch(
      new RegExp(`^${step} of instance "a" by the driver "scripted" did not finish within`),
    );
    expect(error.message).toContain('stop the instance with { mode: "kill" }, or delete it');
    heal();
    expect(await instance.state()).toBe(state);
  });

  it("adopt has a deadline of a minute, puts the instance in error here, and is asked again", async () => {
    const first = await open();
    await (await first.create(CONFIG)).start();
    await first[Symbol.asyncDispose]();
    const instance = await (await open()).get("a");
    const { heal } = hangAt("adopt");
    expect(await failureOf(() => instance.metrics())).toMatchObject({ code: "ERR_TIMEOUT", timeout: 60_000 });
    heal();
    expect(await instance.state()).toBe("running");
  });

  it("does not keep a live list waiting for more than ten seconds", async () => {
    const first = await open();
    await (await first.create(CONFIG)).start();
    await first.create({ ...CONFIG, name: "b" });
    await first[Symbol.asyncDispose]();
    const host = await open();
    const adopting = gate();
    place.scripted.script.adopt = adopting.pass;
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const listing = host.list({ state: "live" });
    await pass(listing);
    vi.useRealTimers();
    expect(await listing).toMatchObject([
      { name: "a", state: "error", error: expect.stringContaining("did not finish within 10000 ms") },
      { name: "b", state: "stopped" },
    ]);
    adopting.open();
  });

  it("materialize has a deadline of ten minutes, and leaves nothing", async () => {
    const host = await open();
    hangAt("materialize");
    expect(await failureOf(() => host.create(CONFIG))).toMatchObject({ code: "ERR_TIMEOUT", timeout: 600_000 });
    expect(await readdir(`${place.root}/instances`)).toEqual([]);
  });

  it.each(["kill", "remove"] as const)("%s has a deadline, after which the call can be repeated", async (step) => {
    const instance = await (await open()).create(CONFIG);
    await instance.start();
    const { heal } = hangAt(step);
    const timeout = step === "kill" ? 30_000 : 300_000;
    const call = () => (step === "kill" ? instance.stop({ mode: "kill" }) : instance.delete());
    expect(await failureOf(call)).toMatchObject({ code: "ERR_TIMEOUT", timeout });
    heal();
    await call();
    expect(place.scripted.runs.size).toBe(0);
  });

  it("is waited for a minute after a kill, and then the kill can be repeated", async () => {
    const instance = await (await open()).create(CONFIG);
    await instance.start();
    const run = place.scripted.run("a");
    const end = run.end;
    run.end = () => undefined;
    const error = await failureOf(() => instance.stop({ mode: "kill" }));
    expect(error.message).toMatch(/^the end of instance "a" after a kill did not finish within 60000 ms: .*state D/);
    run.end = end;
    await instance.stop({ mode: "kill" });
    expect(await instance.state()).toBe("stopped");
  });
});

it.each(["metrics", "exec"] as const)("a call that hangs at %s of its driver ends with the instance", async (step) => {
  const instance = await (await place.open(["exec", "metrics"])).create(CONFIG);
  await instance.start();
  const { arrived } = hangAt(step);
  const call = step === "metrics" ? instance.metrics() : instance.exec(["true"]);
  call.catch(() => undefined);
  await arrived;
  await instance.stop({ mode: "kill" });
  await expect(call).rejects.toMatchObject({ code: "ERR_INSTANCE_STATE", state: "stopped" });
});
