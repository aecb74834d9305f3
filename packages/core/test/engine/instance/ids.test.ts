import { existsSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { IdmapRequest } from "../../../src/contract/backend.ts";
import { scriptedRoot } from "../scripted.ts";

let place: Awaited<ReturnType<typeof scriptedRoot>>;
beforeEach(async () => {
  place = await scriptedRoot();
  place.scripted.script.idmap = () => REQUEST;
});
afterEach(() => place.dispose());

const REQUEST: IdmapRequest = { mode: "isolated", count: 65_536, path: ["scripted", "ids"] };
const CONFIG = { driver: "scripted", name: "a", image: "base" } as const;
const recordPath = () => `${place.root}/names/a/instance.json`;
const record = async () => JSON.parse(await readFile(recordPath(), "utf8"));
const patchRecord = async (patch: object) => writeFile(recordPath(), JSON.stringify({ ...(await record()), ...patch }));

describe("an instance whose driver asks for ids of the host", () => {
  it("has them in its record from the create to the deletion", async () => {
    const instance = await (await place.open()).create(CONFIG);
    const { idmap } = await instance.inspect();
    expect(idmap).toMatchObject({ count: 65_536 });
    expect((await record()).idmap).toEqual(idmap);
    expect(await place.claims()).toEqual([`${idmap?.base}-65536-${(await instance.inspect()).uuid}`]);
    await instance.start();
    await instance.stop();
    expect((await record()).idmap).toEqual(idmap);
    await instance.delete();
    expect(await place.claims()).toEqual([]);
  });

  it("has the extra lines that its driver asks for, and no release that would ignore them may change its record", async () => {
    const extra = [{ inside: 1000, outside: 1000, count: 1, of: "both" }] as const;
    place.scripted.script.idmap = ({ name }) => (name === "b" ? { ...REQUEST, extra } : REQUEST);
    const host = await place.open();
    await host.create(CONFIG);
    expect(await record()).toMatchObject({ version: 2, minReader: 1 });
    const instance = await host.create({ ...CONFIG, name: "b" });
    const { idmap, uuid } = await instance.inspect();
    expect(idmap).toMatchObject({ count: 65_536, extra });
    expect(await place.claims()).toContain(`1000-1-extra-${uuid}`);
    await instance.start();
    await instance.stop();
    const written = JSON.parse(await readFile(`${place.root}/names/b/instance.json`, "utf8"));
    expect(written).toMatchObject({ version: 2, minReader: 2, idmap });
    await instance.delete();
    expect(await place.claims()).toHaveLength(1);
  });

  it("leaves none when its create fails", async () => {
    place.scripted.script.materialize = () => Promise.reject(new Error("no"));
    await expect((await place.open()).create(CONFIG)).rejects.toMatchObject({ code: "ERR_DRIVER" });
    expect(await place.claims()).toEqual([]);
  });

  it("leaves none when its create was cut short, whatever had been written of it", async () => {
    const host = await place.open();
    await host.create(CONFIG);
    await host[Symbol.asyncDispose]();
    await patchRecord({ phase: "creating", idmap: undefined });
    await place.recovered();
    expect(existsSync(recordPath())).toBe(false);
    expect(await place.claims()).toEqual([]);
  });

  it("gets other ids at a start if another instance has them by now", async () => {
    const host = await place.open();
    const instance = await host.create(CONFIG);
    const { base } = (await instance.inspect()).idmap ?? {};
    await rm(`${place.root}/../claims`, { recursive: true });
    place.scripted.script.idmap = ({ name }) => (name === "b" ? { ...REQUEST, base } : REQUEST);
    const other = await host.create({ ...CONFIG, name: "b" });
    await instance.start();
    expect((await other.inspect()).idmap?.base).toBe(base);
    expect((await instance.inspect()).idmap?.base).not.toBe(base);
    expect((await record()).idmap).toEqual((await instance.inspect()).idmap);
  });

  it("does not start, and stays as it is, while the ids that it must have belong to another", async () => {
    const host = await place.open();
    const instance = await host.create(CONFIG);
    const { base } = (await instance.inspect()).idmap ?? {};
    place.scripted.script.idmap = () => ({ ...REQUEST, base });
    await rm(`${place.root}/../claims`, { recursive: true });
    await host.create({ ...CONFIG, name: "b" });
    await expect(instance.start()).rejects.toMatchObject({
      code: "ERR_CONFIG",
      issues: [{ path: ["scripted", "ids"] }],
    });
    expect(await instance.state()).toBe("stopped");
  });

  it("of a release that gave none keeps none, starts, and is named by doctor()", async () => {
    const host = await place.open();
    const instance = await host.create(CONFIG);
    await patchRecord({ idmap: undefined });
    await instance.start();
    expect((await instance.inspect()).idmap).toBeUndefined();
    expect(String(await host.doctor())).toMatch(/instance "a": an earlier release created it with ids of the host/);
  });

  it("of a release that gave none gets some at its next start, if only its process has them", async () => {
    place.scripted.script.idmap = () => ({ ...REQUEST, use: "process", count: 1 });
    const host = await place.open();
    const instance = await host.create(CONFIG);
    await patchRecord({ idmap: undefined });
    expect(String(await host.doctor())).not.toContain("an earlier release");
    await instance.start();
    expect((await record()).idmap).toMatchObject({ count: 1 });
    expect(await place.claims()).toHaveLength(1);
  });

  it.each([
    { ...REQUEST, count: -1 },
    { ...REQUEST, mode: "own" },
    { ...REQUEST, base: 0.5 },
    { ...REQUEST, use: "x" },
    { ...REQUEST, extra: "both 1000 1000" },
    "all",
  ])("is refused with DriverError when the driver asks for %j", async (request) => {
    place.scripted.script.idmap = () => request as IdmapRequest;
    await expect((await place.open()).create(CONFIG)).rejects.toMatchObject({ code: "ERR_DRIVER", step: "idmap" });
    expect(existsSync(recordPath())).toBe(false);
  });
});

it("gives no ids to an instance whose driver asks for none", async () => {
  place.scripted.script = {};
  const instance = await (await place.open()).create(CONFIG);
  expect((await instance.inspect()).idmap).toBeUndefined();
  expect(existsSync(`${place.root}/../claims`)).toBe(false);
});
