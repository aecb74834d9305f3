import { readFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { scriptedRoot } from "../scripted.ts";

let place: Awaited<ReturnType<typeof scriptedRoot>>;
beforeEach(async () => {
  place = await scriptedRoot();
});
afterEach(() => place.dispose());

const devices = { eth0: { type: "nic", network: "net0" } } as const;

/** A host with an instance that runs on a network, one that is stopped, and one that runs on none. */
async function aHost() {
  const host = await place.open();
  for (const name of ["a", "b"]) await host.create({ driver: "scripted", name, image: "base", devices });
  await host.create({ driver: "scripted", name: "c", image: "base" });
  for (const name of ["a", "c"]) await (await host.get(name, { driver: "scripted" })).start();
  const { uuid } = JSON.parse(await readFile(`${place.root}/names/a/instance.json`, "utf8"));
  return { host, running: [uuid] };
}

describe("the networks on which instances run", () => {
  it("are raised before the instance is launched, which does not happen if they cannot be", async () => {
    const launched: (readonly string[])[] = [];
    place.scripted.script.launch = () => {
      launched.push([...place.raised.names]);
    };
    const host = await place.open();
    const instance = await host.create({ driver: "scripted", name: "a", image: "base", devices });
    place.raised.failure = new Error("no bridge");
    await expect(instance.start()).rejects.toThrow("no bridge");
    expect(launched).toEqual([]);
    place.raised.failure = undefined;
    await instance.start();
    expect(launched).toEqual([["a"]]);
  });

  it("are restored for an instance that is frozen", async () => {
    const { host, running } = await aHost();
    await (await host.get("a", { driver: "scripted" })).freeze();
    await host[Symbol.asyncDispose]();
    await place.recovered();
    expect(place.restored).toEqual([running]);
  });

  it("are restored when a host opens, and no others", async () => {
    const { host, running } = await aHost();
    expect(place.restored).toEqual([]);
    await host[Symbol.asyncDispose]();
    await place.recovered();
    expect(place.restored).toEqual([running]);
  });

  it("are restored at once and again while a caller watches the host or an instance, and not after", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    try {
      const { host, running } = await aHost();
      const events = host.watch()[Symbol.asyncIterator]();
      const more = (await host.get("a")).watch()[Symbol.asyncIterator]();
      await vi.waitFor(() => expect(place.restored).toEqual([running]));
      await events.return?.();
      vi.advanceTimersByTime(15_000);
      await vi.waitFor(() => expect(place.restored).toEqual([running, running]));
      await more.return?.();
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });
});
