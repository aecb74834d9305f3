import { readFile, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { StateError, UnsupportedError } from "../../../src/errors/all.ts";
import { gate, scriptedRoot, untilAborted } from "../scripted.ts";

let place: Awaited<ReturnType<typeof scriptedRoot>>;
beforeEach(async () => {
  place = await scriptedRoot();
});
afterEach(() => place.dispose());

async function created() {
  const host = await place.open();
  return { host, instance: await host.create({ driver: "scripted", name: "a", image: "base" }) };
}

describe("freeze and unfreeze", () => {
  it("pass through the states of the contract", async () => {
    const { host, instance } = await created();
    await instance.start();
    const states: string[] = [];
    instance.events.on("state", (event) => states.push(event.state));
    await instance.freeze();
    await instance.unfreeze();
    await instance.unfreeze();
    expect(states).toEqual(["freezing", "frozen", "running"]);
    await host[Symbol.asyncDispose]();
  });

  it("are refused while stopped, and exec while frozen", async () => {
    const { instance } = await created();
    await expect(instance.freeze()).rejects.toBeInstanceOf(StateError);
    await instance.start();
    await instance.freeze();
    await expect(instance.exec(["true"])).rejects.toMatchObject({ state: "frozen", expected: ["running"] });
    expect((await instance.metrics()).memory.bytes).toBe(2);
  });

  it("of a driver that declares but lacks it is refused, and nothing is recorded as frozen", async () => {
    const { instance } = await created();
    await instance.start();
    place.scripted.script.without = ["freeze"];
    await instance.stop();
    await instance.start();
    await expect(instance.freeze()).rejects.toThrow(UnsupportedError);
    expect(await instance.state()).toBe("running");
  });

  it("of a driver that does not answer ends with the host", async () => {
    const { host, instance } = await created();
    await instance.start();
    const asked = gate();
    place.scripted.script.freeze = ({ signal }) => {
      void asked.pass();
      return untilAborted(signal);
    };
    place.scripted.script.isFrozen = ({ signal }) => untilAborted(signal);
    const failed = expect(instance.freeze()).rejects.toThrow("disposed");
    await asked.arrived;
    await host[Symbol.asyncDispose]();
    await failed;
  });

  it("that fails reports its own failure, even if the state cannot be read either", async () => {
    const { instance } = await created();
    await instance.start();
    place.scripted.script.freeze = () => Promise.reject(new Error("no freezer"));
    place.scripted.script.isFrozen = () => Promise.reject(new Error("no answer"));
    await expect(instance.freeze()).rejects.toThrow("no freezer");
  });

  it("believes the driver, not the record, about what is left to do", async () => {
    const { instance } = await created();
    await instance.start();
    await instance.freeze();
    const path = `${place.root}/names/a/instance.json`;
    const record = await readFile(path, "utf8");
    // As a full disk leaves it.
    await writeFile(path, record.replace('"state": "frozen"', '"state": "running"'));
    await instance.unfreeze();
    expect(place.scripted.run("a").frozen).toBe(false);
    await writeFile(path, record);
    await instance.freeze();
    expect(place.scripted.run("a").frozen).toBe(true);
    expect(await instance.state()).toBe("frozen");
  });
});
