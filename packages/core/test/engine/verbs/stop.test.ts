import { setTimeout } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ConfigError, ConnectionError, TimeoutError } from "../../../src/errors/all.ts";
import { gate, scriptedRoot } from "../scripted.ts";

let place: Awaited<ReturnType<typeof scriptedRoot>>;
beforeEach(async () => {
  place = await scriptedRoot();
});
afterEach(() => place.dispose());

async function created() {
  const host = await place.open();
  return { host, instance: await host.create({ driver: "scripted", name: "a", image: "base" }) };
}

describe("restart", () => {
  it.each([
    { title: "starts the instance again when another process has killed it meanwhile", ends: ["restarted", "running"] },
    { title: "does not start the instance again after an abort", abort: true, ends: ["left", "stopped"] },
  ])("$title", async ({ abort, ends }) => {
    const { instance } = await created();
    const elsewhere = await (await place.open()).get("a");
    await instance.start();
    const [asked, leave] = [gate(), new AbortController()];
    place.scripted.script.shutdown = asked.pass;
    const restarted = instance.restart({ signal: leave.signal }).then(() => "restarted", String);
    await asked.arrived;
    if (abort) leave.abort("left");
    await elsewhere.stop({ mode: "kill" });
    expect([await restarted, await instance.state()]).toEqual(ends);
  });
});

describe("stop", () => {
  it("asks, waits for the end, and reports how it ended", async () => {
    const { instance } = await created();
    await instance.start();
    await instance.stop();
    expect(await instance.state()).toBe("stopped");
    expect((await instance.inspect()).exit).toMatchObject({ reason: "requested", status: { kind: "exited", code: 0 } });
    expect(place.scripted.calls).not.toContain("kill a");
  });

  it("kills a frozen instance that cannot be thawed", async () => {
    const { instance } = await created();
    await instance.start();
    await instance.freeze();
    place.scripted.script.unfreeze = () => {
      throw new ConnectionError("its monitor", "closed");
    };
    await instance.stop({ mode: "kill" });
    expect(await instance.state()).toBe("stopped");
  });

  it("is a no-op while stopped, and one stop for simultaneous calls", async () => {
    const { instance } = await created();
    await instance.stop();
    await instance.start();
    await Promise.all([instance.stop(), instance.stop(), instance.stop()]);
    await instance.stop();
    expect(place.scripted.calls.filter((call) => call === "shutdown a")).toHaveLength(1);
  });

  it("that the instance ignores times out, and the instance runs on", async () => {
    const { instance } = await created();
    await instance.start();
    place.scripted.script.shutdown = () => {};
    await expect(instance.stop({ timeout: 20 })).rejects.toBeInstanceOf(TimeoutError);
    expect(await instance.state()).toBe("running");
  });

  it("that the instance ignores leaves no mark, even if starts here and in another process wait for it", async () => {
    const { instance } = await created();
    const elsewhere = await (await place.open()).get("a");
    await instance.start();
    const asked = gate();
    place.scripted.script.shutdown = asked.pass;
    const timedOut = expect(instance.stop({ timeout: 2000 })).rejects.toBeInstanceOf(TimeoutError);
    await asked.arrived;
    const starts = [instance.start(), elsewhere.start()];
    await timedOut;
    expect(await instance.state()).toBe("running");
    await Promise.all(starts);
    // Not "requested": nobody asks any more.
    place.scripted.run("a").end({ kind: "exited", code: 3 });
    await instance.wait();
    expect((await instance.inspect()).exit).toMatchObject({ reason: "program" });
  });

  it("under way when the host is disposed ends with the disposal, and no later call takes it for a stop", async () => {
    const { host, instance } = await created();
    await instance.start();
    const asked = gate();
    place.scripted.script.shutdown = asked.pass;
    const stop = instance.stop({ timeout: Number.POSITIVE_INFINITY });
    const failed = expect(stop).rejects.toThrow("disposed");
    await asked.arrived;
    await host[Symbol.asyncDispose]();
    await failed;
    const again = await (await place.open()).get("a");
    expect(await again.state()).toBe("running");
  });

  it("that may kill does so when its time is up", async () => {
    const { instance } = await created();
    await instance.start();
    place.scripted.script.shutdown = () => {};
    await instance.stop({ mode: "ask-then-kill", timeout: 20 });
    expect((await instance.inspect()).exit).toMatchObject({ reason: "requested", status: { signal: "SIGKILL" } });
  });

  it("by force overtakes one that asks, even when the driver hangs in asking", async () => {
    const { instance } = await created();
    await instance.start();
    const asked = gate();
    place.scripted.script.shutdown = asked.pass;
    const asking = instance.stop({ timeout: Number.POSITIVE_INFINITY });
    await asked.arrived;
    await instance.stop({ mode: "kill" });
    await asking;
    expect(await instance.state()).toBe("stopped");
  });

  it.each(["stop", "delete"] as const)(
    "by force overtakes a verb that hangs for as long as the instance lives (%s)",
    async (verb) => {
      const { instance } = await created();
      await instance.start();
      const run = place.scripted.run("a");
      const freezing = gate();
      place.scripted.script.freeze = async () => {
        void freezing.pass();
        await run.exited;
        throw new ConnectionError("its monitor", "closed");
      };
      const frozen = expect(instance.freeze()).rejects.toMatchObject({ code: "ERR_INSTANCE_STATE" });
      const ended = instance.wait();
      await freezing.arrived;
      await (verb === "stop" ? instance.stop({ mode: "kill" }) : instance.delete());
      await frozen;
      expect(await ended).toMatchObject({ reason: "requested" });
    },
  );

  it("that cannot ask because of a kill waits for the end, as the kill does", async () => {
    const { instance } = await created();
    await instance.start();
    const asking = gate();
    place.scripted.script.shutdown = async () => {
      await asking.pass();
      throw new ConnectionError("its init", "it has ended");
    };
    const asked = instance.stop({ mode: "ask" });
    const settled = asked.catch(() => undefined);
    place.scripted.script.kill = async () => {
      asking.open();
      // The end takes its time, in which nobody is there to be asked any more.
      await Promise.race([settled, setTimeout(200)]);
    };
    await asking.arrived;
    await Promise.all([asked, instance.stop({ mode: "kill" })]);
    expect(await instance.state()).toBe("stopped");
  });

  it("aborted only ends the wait: the instance still stops", async () => {
    const { instance } = await created();
    await instance.start();
    const asked = gate();
    place.scripted.script.shutdown = asked.pass;
    const controller = new AbortController();
    const stopping = instance.stop({ signal: controller.signal });
    await asked.arrived;
    controller.abort(new Error("cannot wait"));
    await expect(stopping).rejects.toThrow("cannot wait");
    asked.open();
    place.scripted.run("a").end({ kind: "exited", code: 3 });
    expect(await instance.wait()).toMatchObject({ reason: "requested", status: { kind: "exited", code: 3 } });
  });

  it("right after start, without waiting for it, works", async () => {
    const { instance } = await created();
    const starting = instance.start();
    await instance.stop();
    await starting;
    expect(["stopped", "running"]).toContain(await instance.state());
    await instance.stop();
    expect(await instance.state()).toBe("stopped");
  });

  it("unfreezes a frozen instance first", async () => {
    const { instance } = await created();
    await instance.start();
    await instance.freeze();
    await instance.freeze();
    expect(await instance.state()).toBe("frozen");
    place.scripted.script.shutdown = ({ name }) => {
      expect(place.scripted.run(name).frozen).toBe(false);
      place.scripted.run(name).end({ kind: "exited", code: 0 });
    };
    await instance.stop();
    expect(await instance.state()).toBe("stopped");
  });

  it("whose request fails leaves the instance running and says why", async () => {
    const { instance } = await created();
    await instance.start();
    place.scripted.script.shutdown = () => Promise.reject(new Error("no power button"));
    await expect(instance.stop()).rejects.toThrow("no power button");
    expect(await instance.state()).toBe("running");
  });

  it.each([
    ["a mode that there is not", { mode: "asks" as "ask" }],
    ["a timeout that is not a number", { timeout: Number.NaN }],
    ["a negative timeout", { timeout: -1 }],
  ])("with %s is refused before anything is asked of the instance", async (_, options) => {
    const { instance } = await created();
    await instance.start();
    const before = place.scripted.calls.length;
    await expect(instance.stop(options)).rejects.toThrow(ConfigError);
    expect(place.scripted.calls.slice(before)).toEqual([]);
    expect(await instance.state()).toBe("running");
  });

  it("with a misspelt key is refused with the nearest key, as are restart() and ready()", async () => {
    const { instance } = await created();
    await instance.start();
    const before = place.scripted.calls.length;
    const options = { mod: "kill", timout: 5 } as object;
    await expect(instance.stop(options)).rejects.toThrow(/mod: unknown key; did you mean "mode".*mean "timeout"/);
    await expect(instance.restart(options)).rejects.toThrow(ConfigError);
    await expect(instance.ready({ timout: 5 } as object)).rejects.toThrow(/did you mean "timeout"/);
    expect(place.scripted.calls.slice(before)).toEqual([]);
  });
});
