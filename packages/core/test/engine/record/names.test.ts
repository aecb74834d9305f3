import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Journal } from "../../../src/engine/journal/journal.ts";
import { acquireLock } from "../../../src/system/lock.ts";
import { collect } from "../../../src/testing/kit/expect.ts";
import { gate, scriptedRoot } from "../scripted.ts";

let place: Awaited<ReturnType<typeof scriptedRoot>>;
beforeEach(async () => {
  place = await scriptedRoot();
});
afterEach(() => place.dispose());

const CONFIG = { driver: "scripted", name: "a", image: "base" } as const;
const namesNow = () => readdir(`${place.root}/names`);
const exists = { code: "ERR_INSTANCE_EXISTS" };

/** Makes of instance `a` one that the first release created: in the folder of its name, without a link. */
async function asInFirstLayout() {
  const folder = place.folder("a");
  const {
    folder: _,
    minReader: __,
    generation: ___,
    applied: ____,
    ...record
  } = JSON.parse(await readFile(`${folder}/instance.json`, "utf8"));
  await rename(folder, `${place.root}/instances/a`);
  await rm(`${place.root}/names`, { recursive: true });
  await writeFile(`${place.root}/instances/a/instance.json`, JSON.stringify(record));
}

describe("the folder of an instance", () => {
  it("is named by its uuid, and its name is a link to it", async () => {
    const instance = await (await place.open()).create(CONFIG);
    const { uuid } = await instance.inspect();
    expect(await readdir(`${place.root}/instances`)).toEqual([uuid]);
    expect(JSON.parse(await readFile(`${place.root}/names/a/instance.json`, "utf8"))).toMatchObject({ uuid });
    await instance.delete();
    expect([await readdir(`${place.root}/instances`), await namesNow()]).toEqual([[], []]);
  });

  it("with the record of another instance is left alone, and is not that other one", async () => {
    const host = await place.open();
    const instance = await host.create(CONFIG);
    const copy = `${place.root}/instances/00000000-0000-4000-8000-000000000000`;
    await mkdir(copy);
    await writeFile(`${copy}/instance.json`, await readFile(`${place.folder("a")}/instance.json`));
    expect(await host.list()).toMatchObject([{ name: "a", uuid: (await instance.inspect()).uuid }]);
    await instance.delete();
    expect(existsSync(copy)).toBe(true);
  });
});

describe("a name", () => {
  it("belongs to one of several creates at once", async () => {
    const host = await place.open();
    const results = await Promise.allSettled([1, 2, 3, 4].map(() => host.create(CONFIG)));
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const result of results) if (result.status === "rejected") expect(result.reason).toMatchObject(exists);
    expect(await host.list()).toHaveLength(1);
    expect(await readdir(`${place.root}/instances`)).toHaveLength(1);
  });

  it("is free for a create that waits for another one, when that fails", async () => {
    const host = await place.open();
    const wait = gate();
    place.scripted.script.materialize = async () => {
      await wait.pass();
      throw new Error("no space");
    };
    const first = host.create(CONFIG);
    await wait.arrived;
    const second = host.create(CONFIG);
    place.scripted.script.materialize = async () => undefined;
    wait.open();
    await expect(first).rejects.toThrow("no space");
    expect(await (await second).state()).toBe("stopped");
  });

  it("that a crash left without an instance is free again, at the next create and at the next open", async () => {
    const host = await place.open();
    for (const name of ["a", "b"])
      await symlink("../instances/00000000-0000-4000-8000-000000000000", `${place.root}/names/${name}`);
    await expect(host.get("a")).rejects.toMatchObject({ code: "ERR_INSTANCE_NOT_FOUND" });
    await host.create(CONFIG);
    await (await place.open()).list();
    await expect.poll(namesNow).toEqual(["a"]);
  });

  it("that leads to an instance with another name is not that instance's, and is free once nobody works on it", async () => {
    const host = await place.open();
    const instance = await host.create(CONFIG);
    await symlink(`../instances/${(await instance.inspect()).uuid}`, `${place.root}/names/b`);
    await expect(host.get("b")).rejects.toMatchObject({ code: "ERR_INSTANCE_NOT_FOUND" });
    const lock = await acquireLock(place.lock("a"));
    const controller = new AbortController();
    const creating = host.create({ ...CONFIG, name: "b" }, { signal: controller.signal });
    controller.abort("late");
    await expect(creating).rejects.toBe("late");
    await lock.release();
    await host.create({ ...CONFIG, name: "b" });
    expect(await host.list()).toMatchObject([{ name: "a" }, { name: "b" }]);
  });
});

describe("an instance that the first release created", () => {
  it("is found where it lies while it runs, keeps its name, and is deleted", async () => {
    const before = await place.open();
    await (await before.create(CONFIG)).start();
    await before[Symbol.asyncDispose]();
    await asInFirstLayout();
    const host = await place.open();
    const instance = await host.get("a");
    expect((await instance.inspect()).error).toBeUndefined();
    expect(await instance.state()).toBe("running");
    expect(place.scripted.seen.at(-1)).toMatchObject({ key: "a", folder: `${place.root}/instances/a` });
    await expect(host.create(CONFIG)).rejects.toMatchObject(exists);
    await instance.stop();
    await instance.start();
    expect(await host.list()).toMatchObject([{ name: "a", state: "running" }]);
    await instance.delete();
    await host.create(CONFIG);
    expect(await readdir(`${place.root}/instances`)).not.toContain("a");
  });

  it("is renamed where it lies while it runs, and its first name is free for another", async () => {
    const before = await place.open();
    await (await before.create(CONFIG)).start();
    await before[Symbol.asyncDispose]();
    await asInFirstLayout();
    const [host, other] = [await place.open(), await place.open()];
    const theirs = await other.get("a");
    const heard = collect(theirs.watch(), ({ type }) => type === "renamed");
    const instance = await host.get("a");
    await instance.rename("b");
    await heard;
    expect([theirs.name, await instance.state(), await namesNow()]).toEqual(["b", "running", ["b"]]);
    expect(place.folder("b")).toBe(`${place.root}/instances/a`);
    const next = await other.create(CONFIG);
    expect((await host.list()).map(({ name }) => name)).toEqual(["a", "b"]);
    await expect(instance.rename("a")).rejects.toMatchObject(exists);
    await next.delete();
    await theirs.rename("a");
    expect([await instance.state(), instance.name]).toEqual(["running", "a"]);
    expect(await (await host.get("a")).state()).toBe("running");
    await instance.delete();
    expect([await host.list(), await namesNow()]).toEqual([[], []]);
  });

  it("gets its name back when the process that renamed it dies before the record says so", async () => {
    const before = await place.open();
    await before.create(CONFIG);
    await before[Symbol.asyncDispose]();
    await asInFirstLayout();
    const former = await place.open();
    await (await former.get("a")).rename("b");
    const { uuid } = await (await former.get("b")).inspect();
    await former[Symbol.asyncDispose]();
    // What a process leaves that is killed here.
    const journal = new Journal(`${place.root}/journal`, { event: () => undefined, missed: () => undefined });
    journal.begin({ kind: "rename", instance: "b", uuid, data: { key: "a", to: "c" } });
    journal.close();
    await symlink("../instances/a", `${place.root}/names/c`);
    const renamed: string[] = [];
    place.renaming.step = ({ name }) => void renamed.push(name);
    const host = await place.recovered();
    expect([await namesNow(), (await host.list()).map(({ name }) => name)]).toEqual([["b"], ["b"]]);
    expect(renamed).toEqual(["b"]);
    await (await host.get("b")).rename("c");
  });

  it("half made, gives its name to the next create", async () => {
    const before = await place.open();
    await before.create(CONFIG);
    await before[Symbol.asyncDispose]();
    await asInFirstLayout();
    const path = `${place.root}/instances/a/instance.json`;
    const host = await place.open();
    await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, "utf8")), phase: "creating" }));
    await host.create(CONFIG);
    expect(await host.list()).toHaveLength(1);
    expect(existsSync(path)).toBe(false);
  });
});
