import { readFile, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { scriptedRoot } from "../scripted.ts";

let place: Awaited<ReturnType<typeof scriptedRoot>>;
beforeEach(async () => {
  place = await scriptedRoot();
});
afterEach(() => place.dispose());

const CONFIG = { driver: "scripted", name: "a", image: "base", env: { COLOUR: "red" } } as const;
const recordPath = () => `${place.folder("a")}/instance.json`;
const manifestPath = () => `${place.folder("a")}/run/run.json`;
const json = async (path: string) => JSON.parse(await readFile(path, "utf8"));

/** An instance that runs while no host is open. */
async function aRun(facts: unknown = { token: 7 }) {
  place.scripted.script.facts = facts;
  const host = await place.open();
  await (await host.create(CONFIG)).start();
  await host[Symbol.asyncDispose]();
}

/** Changes the configuration as a later release does that can: the run goes on with the one before. */
async function reconfigure() {
  const record = await json(recordPath());
  const config = { ...record.config, env: { COLOUR: "blue" } };
  await writeFile(recordPath(), JSON.stringify({ ...record, config, generation: 2 }));
}

describe("the manifest of a run", () => {
  it("is there before the driver launches anything, with what the run is launched with", async () => {
    let written: unknown;
    place.scripted.script.launch = async () => {
      written = await json(manifestPath());
    };
    await aRun();
    const { run, image, uuid } = await json(recordPath());
    expect(written).toMatchObject({ run, image, uuid, config: { env: { COLOUR: "red" } }, driver: { token: 7 } });
    expect(written).toMatchObject({
      versions: { pileus: expect.stringMatching(/^\d+\.\d+\.\d+/), node: process.version },
    });
  });

  it("is what a later process adopts the run by, and removes it by, whatever the configuration is by then", async () => {
    await aRun();
    expect(await json(recordPath())).toMatchObject({ generation: 1, applied: 1 });
    await reconfigure();
    const instance = await (await place.open()).get("a");
    expect(await instance.state()).toBe("running");
    const launched = { config: { env: { COLOUR: "red" } }, remembered: { token: 7 } };
    expect(place.scripted.seen.at(-1)).toMatchObject(launched);
    expect(await instance.inspect()).toMatchObject({ config: { env: { COLOUR: "blue" } } });
    expect(await json(recordPath())).toMatchObject({ generation: 2, applied: 1 });
    await instance.stop({ mode: "kill" });
    expect((await json(recordPath())).applied).toBeUndefined();
    await instance.start();
    expect(await json(recordPath())).toMatchObject({ generation: 2, applied: 2 });
    expect(await json(manifestPath())).toMatchObject({ config: { env: { COLOUR: "blue" } } });
    await instance.delete();
    expect(place.scripted.seen.at(-1)).toMatchObject({ config: { env: { COLOUR: "blue" } } });
  });

  it("needs no facts of the driver", async () => {
    await aRun(null);
    await reconfigure();
    const text = await readFile(manifestPath(), "utf8");
    await writeFile(manifestPath(), JSON.stringify({ ...JSON.parse(text), driver: undefined }));
    expect(await (await (await place.open()).get("a")).state()).toBe("running");
    expect(place.scripted.seen.at(-1)).toMatchObject({ config: { env: { COLOUR: "red" } }, remembered: undefined });
  });

  it("of an earlier run does not count", async () => {
    await aRun();
    const old = await readFile(manifestPath());
    const instance = await (await place.open()).get("a");
    await instance.stop({ mode: "kill" });
    await reconfigure();
    await instance.start();
    await writeFile(manifestPath(), old);
    const other = await (await place.open()).get("a");
    expect(await other.state()).toBe("running");
    expect(place.scripted.seen.at(-1)).toMatchObject({ config: { env: { COLOUR: "blue" } }, remembered: undefined });
  });

  it.each([
    ["is cut off", '{"version":1,'],
    ["is of a later release", '{"version":9}'],
  ])("that %s is not missed while the configuration is the same", async (_, text) => {
    await aRun();
    await writeFile(manifestPath(), text);
    const instance = await (await place.open()).get("a");
    expect(await instance.state()).toBe("running");
    await instance.stop({ mode: "kill" });
  });

  it("that cannot be read and is needed is named by the call that needs it, and its instance can be deleted", async () => {
    await aRun();
    await reconfigure();
    await writeFile(manifestPath(), "{");
    const host = await place.open();
    await (await host.create({ ...CONFIG, name: "b" })).start();
    const instance = await host.get("a");
    expect(await instance.inspect()).toMatchObject({
      state: "error",
      error: expect.stringContaining("the configuration has changed"),
    });
    const refused = { code: "ERR_HOST", missing: [{ need: `file:${manifestPath()}` }] };
    await expect(instance.stop({ mode: "kill" })).rejects.toMatchObject(refused);
    expect(await readFile(manifestPath(), "utf8")).toBe("{");
    await instance.delete();
    expect(await host.list()).toMatchObject([{ name: "b" }]);
  });
});
