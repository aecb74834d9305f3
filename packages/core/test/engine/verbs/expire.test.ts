import { readdir } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { gate, scriptedRoot } from "../scripted.ts";

let place: Awaited<ReturnType<typeof scriptedRoot>>;
beforeEach(async () => {
  place = await scriptedRoot();
});
afterEach(() => place.dispose());

const CONFIG = { driver: "scripted", name: "a", image: "base" } as const;
const instances = () => readdir(`${place.root}/instances`);

describe("a lifetime", () => {
  // The clock stands still but where a test lets it run, and in vi.waitFor(): no lifetime passes before its time.
  beforeEach(() => void vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"] }));
  afterEach(() => void vi.useRealTimers());
  const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

  it("that has ended stops an instance, which can be inspected but not started again", async () => {
    const host = await place.open();
    const expiresAt = Date.now() + 150;
    const instance = await host.create(CONFIG, { expires: 150 });
    expect(await instance.inspect()).toMatchObject({ expiresAt });
    await instance.start();
    const ended = instance.wait();
    await pass(149);
    expect(place.scripted.calls).not.toContain("shutdown a");
    await pass(1);
    expect(await ended).toMatchObject({ reason: "requested" });
    expect(place.scripted.calls).toContain("shutdown a");
    await expect(instance.start()).rejects.toMatchObject({
      code: "ERR_INSTANCE_STATE",
      state: "stopped",
      expiresAt,
      message: expect.stringContaining("its lifetime ended at"),
    });
    expect(await host.list()).toMatchObject([{ name: "a", ephemeral: false, expiresAt }]);
  });

  it("that has ended deletes an ephemeral instance, and every process that has the host open sees it", async () => {
    const hosts = [await place.open(), await place.open()];
    await hosts[0]?.ephemeral(CONFIG, { expires: new Date(Date.now() + 150) });
    await vi.waitFor(async () => expect(await instances()).toEqual([]), 20_000);
    for (const host of hosts) expect((await host.doctor()).host.facts.map(({ name }) => name)).not.toContain("a");
    expect(place.scripted.calls.filter((call) => call === "remove a")).toHaveLength(1);
  });

  it("is kept by another process once its creator is gone", async () => {
    const other = await place.open();
    const creator = await place.open();
    await creator.ephemeral(CONFIG, { expires: 300 });
    await creator[Symbol.asyncDispose]();
    expect(place.scripted.runs.size).toBe(1);
    await vi.waitFor(async () => expect(await other.list()).toEqual([]), 20_000);
    expect(place.scripted.runs.size).toBe(0);
  });

  it("that ended while no process had the host open ends the instance at the next open, which does not wait", async () => {
    const host = await place.open();
    await host.ephemeral(CONFIG, { expires: 100 });
    await host[Symbol.asyncDispose]();
    await pass(100);
    const removing = gate();
    place.scripted.script.remove = removing.pass;
    const next = await place.recovered();
    await pass(0);
    await removing.arrived;
    removing.open();
    await vi.waitFor(async () => expect(await next.list()).toEqual([]), 20_000);
  });

  it("that has ended kills an instance that does not stop within ten seconds", async () => {
    const host = await place.open();
    const instance = await host.create(CONFIG, { expires: 150 });
    await instance.start();
    const asking = gate();
    place.scripted.script.shutdown = asking.pass;
    const ended = instance.wait();
    await pass(150);
    await asking.arrived;
    await pass(9_999);
    expect(place.scripted.calls).not.toContain("kill a");
    await pass(1);
    expect(await ended).toMatchObject({ reason: "requested", status: { signal: "SIGKILL" } });
    asking.open();
  });

  it("ends again for an instance that was started after the clock was set back", async () => {
    const host = await place.open();
    const instance = await host.create(CONFIG, { expires: 150 });
    // Twice: the event of its creation, which may come at any time, shows its lifetime as well.
    for (const left of [150, 100, 100]) {
      await instance.start();
      const ended = instance.wait();
      await pass(left);
      expect(await ended).toMatchObject({ reason: "requested" });
      vi.setSystemTime(Date.now() - 100);
    }
  });

  it("of an instance that cannot be ended is reported by doctor()", async () => {
    const host = await place.open();
    place.scripted.script.remove = () => Promise.reject(new Error("busy"));
    await host.ephemeral(CONFIG, { expires: 50 });
    const told = async () => (await host.doctor()).toString();
    await vi.waitFor(async () => expect(await told()).toMatch(/instance "a".*lifetime has ended.*busy/), 20_000);
    // Tried again, and still told until it succeeds.
    await pass(60_000);
    await vi.waitFor(() => expect(place.scripted.calls.filter((call) => call === "remove a")).toHaveLength(2), 20_000);
    expect(await told()).toContain("busy");
    place.scripted.script = {};
    await pass(60_000);
    await vi.waitFor(async () => expect(await instances()).toEqual([]), 20_000);
    await vi.waitFor(async () => expect(await told()).not.toContain("busy"), 20_000);
  });

  it.each([0, -1, Number.NaN, "1h", new Date(0), new Date(Number.NaN), null])("cannot be %s", async (expires) => {
    const host = await place.open();
    const refused = { name: "ConfigError", issues: [{ path: ["expires"] }] };
    await expect(host.create(CONFIG, { expires: expires as never })).rejects.toMatchObject(refused);
    await expect(host.ephemeral(CONFIG, { expires: expires as never })).rejects.toMatchObject(refused);
    expect(await instances()).toEqual([]);
  });

  it("can be without an end", async () => {
    const host = await place.open();
    for (const [index, expires] of [Number.POSITIVE_INFINITY, Number.MAX_VALUE, undefined].entries()) {
      const instance = await host.create({ ...CONFIG, name: `a${index}` }, { expires });
      expect((await instance.inspect()).expiresAt).toBeUndefined();
    }
  });
});

describe("ephemeral", () => {
  it("waits until the instance is ready with the option ready", async () => {
    const host = await place.open();
    const readying = gate();
    place.scripted.script.ready = readying.pass;
    await host.ephemeral({ ...CONFIG, name: "b" });
    const waiting = host.ephemeral(CONFIG, { ready: true });
    await readying.arrived;
    readying.open();
    expect(await (await waiting).inspect()).toMatchObject({ state: "running", ephemeral: true });
  });

  it("that does not become ready in time, or is aborted before, leaves nothing", async () => {
    const host = await place.open();
    const readying = gate();
    place.scripted.script.ready = readying.pass;
    await expect(host.ephemeral(CONFIG, { ready: { timeout: 20 } })).rejects.toMatchObject({ name: "TimeoutError" });
    const again = gate();
    place.scripted.script.ready = again.pass;
    const controller = new AbortController();
    const waiting = host.ephemeral(CONFIG, { ready: true, signal: controller.signal });
    await again.arrived;
    controller.abort("enough");
    await expect(waiting).rejects.toBe("enough");
    readying.open();
    again.open();
    await vi.waitFor(async () => expect(await instances()).toEqual([]), 20_000);
    expect(place.scripted.runs.size).toBe(0);
  });

  it("that is aborted while it starts leaves nothing", async () => {
    const host = await place.open();
    const launching = gate();
    place.scripted.script.launch = launching.pass;
    const controller = new AbortController();
    const starting = host.ephemeral(CONFIG, { signal: controller.signal });
    await launching.arrived;
    controller.abort("enough");
    launching.open();
    await expect(starting).rejects.toBe("enough");
    await vi.waitFor(async () => expect(await instances()).toEqual([]), 20_000);
    expect(place.scripted.runs.size).toBe(0);
  });

  it.each([{ ready: "yes" }, { ready: { timout: 1 } }, { redy: true }])("refuses %j", async (options) => {
    const host = await place.open();
    await expect(host.ephemeral(CONFIG, options as never)).rejects.toMatchObject({ name: "ConfigError" });
    expect(await instances()).toEqual([]);
  });
});
