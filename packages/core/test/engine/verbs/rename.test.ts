import { readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { InstanceEvent } from "../../../src/contract/events.ts";
import { Journal } from "../../../src/engine/journal/journal.ts";
import { collect } from "../../../src/testing/kit/expect.ts";
import { gate, scriptedRoot, untilAborted } from "../scripted.ts";

let place: Awaited<ReturnType<typeof scriptedRoot>>;
beforeEach(async () => {
  place = await scriptedRoot();
});
afterEach(() => place.dispose());

const CONFIG = { driver: "scripted", name: "a", image: "base" } as const;
const names = async () => (await readdir(`${place.root}/names`)).sort();
const exists = { code: "ERR_INSTANCE_EXISTS", subject: "b" };
const isRenamed = ({ type }: InstanceEvent) => type === "renamed";

describe("rename", () => {
  it("gives a running instance another name everywhere, and moves nothing", async () => {
    const host = await place.open();
    const instance = await host.create(CONFIG);
    await instance.start();
    const before = await instance.inspect();
    const folder = place.folder("a");
    await instance.rename("b");
    expect(instance.name).toBe("b");
    const { config } = before;
    expect(await instance.inspect()).toEqual({
      ...before,
      name: "b",
      config: { ...config, name: "b" },
      applied: config,
    });
    expect([place.folder("b"), await names(), [...place.reserved]]).toEqual([folder, ["b"], ["b"]]);
    expect((await host.list()).map(({ name }) => name)).toEqual(["b"]);
    await expect(host.get("a")).rejects.toMatchObject({ code: "ERR_INSTANCE_NOT_FOUND" });
    expect(await (await host.get("b")).state()).toBe("running");
  });

  it("lets the run go on as it was launched, also in another process, and the next one begin with the new name", async () => {
    const instance = await (await place.open()).create(CONFIG);
    await instance.start();
    await instance.rename("b");
    const other = await (await place.open()).get("b");
    expect(await other.state()).toBe("running");
    expect(place.scripted.seen.at(-1)).toMatchObject({ name: "a", uuid: (await instance.inspect()).uuid });
    await other.restart();
    expect(place.scripted.calls).toContain("launch b");
    await instance.delete();
    expect([await names(), [...place.reserved]]).toEqual([[], []]);
  });

  it("leaves handles, listeners and watchers with their instance, when another gets the old name too", async () => {
    const host = await place.open();
    const first = await host.create(CONFIG);
    const heard: string[] = [];
    first.events.on("renamed", ({ from, to }) => void heard.push(`${from}→${to}`));
    const seen = collect(first.watch());
    await first.rename("b");
    const second = await host.create(CONFIG);
    await second.start();
    await first.start();
    await first.delete();
    const types = (await seen).map(({ type, instance }) => `${type} ${instance}`);
    expect(types).toEqual([
      "renamed b",
      ...["starting", "running", "stopping", "stopped"].map(() => "state b"),
      "exit b",
      "deleted b",
    ]);
    expect(heard).toEqual(["a→b"]);
    await expect(first.rename("a")).rejects.toMatchObject({ code: "ERR_INSTANCE_STATE", state: "deleted" });
    expect([second.name, await second.state()]).toEqual(["a", "running"]);
  });

  it("is told to the handles and the watchers of other processes, and to those who come later", async () => {
    const host = await place.open();
    const instance = await host.create(CONFIG);
    const theirs = await (await place.open()).get("a");
    const hears = collect(theirs.watch(), isRenamed);
    await instance.rename("b");
    const told = (await hears).at(-1);
    expect(told).toMatchObject({ type: "renamed", instance: "b", from: "a", to: "b" });
    expect(theirs.name).toBe("b");
    const late = await collect((await place.open()).watch({ since: "oldest" }), isRenamed);
    expect(late.at(-1)).toEqual(told);
  });

  it("says nothing of the state: a later process does not tell it again", async () => {
    const host = await place.open();
    const instance = await host.create(CONFIG);
    await instance.start();
    await instance.rename("b");
    const { uuid } = await instance.inspect();
    await host[Symbol.asyncDispose]();
    const journal = new Journal(`${place.root}/journal`, { event: () => undefined, missed: () => undefined });
    expect(journal.toldState(uuid)).toBe("running");
    journal.close();
    const later = await place.open();
    const same = await later.get("b");
    await same.stop();
    await same.delete();
    const events = await collect(later.watch({ since: "oldest" }), ({ type }) => type === "deleted");
    expect(events.map((event) => (event.type === "state" ? event.state : event.type))).toEqual([
      "created",
      "starting",
      "running",
      "renamed",
      "stopping",
      "stopped",
      "exit",
      "deleted",
    ]);
  });

  it("is a no-op for the name that it has", async () => {
    const instance = await (await place.open()).create(CONFIG);
    const path = `${place.folder("a")}/instance.json`;
    const before = await readFile(path, "utf8");
    await instance.rename("a");
    expect(await readFile(path, "utf8")).toBe(before);
  });

  it.each(["B", "-b", "b/c", "..", "", "x".repeat(64), 'b"\n'])(
    "refuses the name %j and touches nothing",
    async (to) => {
      const instance = await (await place.open()).create(CONFIG);
      const before = await readdir(place.root, { recursive: true });
      await expect(instance.rename(to)).rejects.toMatchObject({ code: "ERR_CONFIG" });
      expect(await readdir(place.root, { recursive: true })).toEqual(before);
    },
  );

  it.each(["42", "localhost"])("refuses the name %j for one with a nic only, as create() does", async (to) => {
    const host = await place.open();
    const devices = { eth0: { type: "nic", network: "net0" } } as const;
    const [a, b] = [await host.create({ ...CONFIG, devices }), await host.create({ ...CONFIG, name: "b" })];
    await expect(a.rename(to)).rejects.toMatchObject({
      code: "ERR_CONFIG",
      message: expect.stringMatching(
        /^invalid new name of an instance: .*: an instance with a nic needs another name$/,
      ),
    });
    await b.rename(to);
    expect([a.name, await names()]).toEqual(["a", [to, "a"].sort()]);
  });

  it.each([undefined, null, 5, { name: "b" }])("says what it takes to a caller that passes %j", async (to) => {
    const instance = await (await place.open()).create(CONFIG);
    await expect(instance.rename(to as never)).rejects.toMatchObject({
      code: "ERR_CONFIG",
      message: expect.stringContaining("name of the instance"),
    });
  });

  it("is refused while another instance has the name, as a create is", async () => {
    const host = await place.open();
    const [a, b] = [await host.create(CONFIG), await host.create({ ...CONFIG, name: "b" })];
    await expect(a.rename("b")).rejects.toMatchObject(exists);
    expect([a.name, b.name, await names()]).toEqual(["a", "b", ["a", "b"]]);
  });

  it("waits for a create of the name without holding up other calls on its own instance", async () => {
    const host = await place.open();
    const a = await host.create(CONFIG);
    const wait = gate();
    place.scripted.script.materialize = wait.pass;
    const creating = host.create({ ...CONFIG, name: "b" });
    await wait.arrived;
    const renaming = a.rename("b");
    await a.start();
    await a.stop();
    wait.open();
    await creating;
    await expect(renaming).rejects.toMatchObject(exists);
    await a.rename("c");
  });

  it("takes the name of an instance that is being deleted once that is done", async () => {
    const host = await place.open();
    const [a, b] = [await host.create(CONFIG), await host.create({ ...CONFIG, name: "b" })];
    const wait = gate();
    place.scripted.script.remove = wait.pass;
    const deleting = b.delete();
    await wait.arrived;
    const renaming = a.rename("b");
    wait.open();
    await Promise.all([deleting, renaming]);
    expect(await names()).toEqual(["b"]);
    expect((await (await host.get("b")).inspect()).uuid).toBe((await a.inspect()).uuid);
  });

  it("is undone when it is aborted or the networks refuse", async () => {
    const instance = await (await place.open()).create(CONFIG);
    const controller = new AbortController();
    place.renaming.step = ({ name, signal }) => {
      if (name === "a") return;
      controller.abort("enough");
      return untilAborted(signal);
    };
    await expect(instance.rename("b", { signal: controller.signal })).rejects.toBe("enough");
    place.renaming.step = ({ name }) => {
      if (name === "b") throw new Error("no dnsmasq");
    };
    await expect(instance.rename("b")).rejects.toThrow("no dnsmasq");
    expect([instance.name, await names(), [...place.reserved]]).toEqual(["a", ["a"], ["a"]]);
    place.renaming.step = () => undefined;
    await instance.rename("b");
  });

  it("is undone when it is aborted while the networks do not heed that", async () => {
    const instance = await (await place.open()).create(CONFIG);
    const controller = new AbortController();
    place.renaming.step = () => controller.abort("enough");
    await expect(instance.rename("b", { signal: controller.signal })).rejects.toBe("enough");
    expect([instance.name, await names(), [...place.reserved]]).toEqual(["a", ["a"], ["a"]]);
  });

  it("is a change of the configuration that what runs does not have yet", async () => {
    const instance = await (await place.open()).create(CONFIG);
    const record = async () => JSON.parse(await readFile(`${place.root}/names/${instance.name}/instance.json`, "utf8"));
    await instance.rename("b");
    expect(await record()).toMatchObject({ generation: 2 });
    expect(await record()).not.toHaveProperty("applied");
    await instance.start();
    await instance.rename("c");
    expect(await record()).toMatchObject({ generation: 3, applied: 2 });
    expect(await instance.inspect()).toMatchObject({ config: { name: "c" }, applied: { name: "b" } });
    await instance.rename("b");
    expect((await instance.inspect()).applied).toBeUndefined();
    await instance.rename("c");
    await instance.restart();
    expect((await instance.inspect()).applied).toBeUndefined();
  });

  it("is overtaken by a deletion while a network hangs", async () => {
    const instance = await (await place.open()).create(CONFIG);
    const wait = gate();
    place.renaming.step = async ({ name, signal }) => {
      if (name === "a") return;
      void wait.pass();
      await untilAborted(signal);
    };
    const renaming = expect(instance.rename("b")).rejects.toMatchObject({ code: "ERR_INSTANCE_STATE" });
    await wait.arrived;
    await instance.delete();
    await renaming;
    expect(await names()).toEqual([]);
  });

  it("lets one of many take a name, whatever else is created, renamed and deleted, through several hosts", async () => {
    const hosts = await Promise.all([1, 2, 3].map(() => place.open()));
    const [host] = hosts;
    const made = await Promise.all(hosts.map((each, at) => each.create({ ...CONFIG, name: `i${at}` })));
    for (let round = 0; round < 10; round += 1) {
      const results = await Promise.allSettled([
        ...made.map((instance) => instance.rename("one")),
        ...hosts.map((each) => each.create({ ...CONFIG, name: "one" })),
        ...made.map((instance) => instance.rename(`${instance.name}x`)),
      ]);
      for (const result of results)
        if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "ERR_INSTANCE_EXISTS" });
      const listed = (await host?.list()) ?? [];
      expect(new Set(listed.map(({ name }) => name)).size).toBe(listed.length);
      expect(await names()).toEqual(listed.map(({ name }) => name));
      const ofMade = await Promise.all(made.map(async (instance) => (await instance.inspect()).name));
      expect(made.map(({ name }) => name)).toEqual(ofMade);
      const uuids = await Promise.all(made.map(async (instance) => (await instance.inspect()).uuid));
      for (const { name, uuid } of listed) if (!uuids.includes(uuid)) await (await host?.get(name))?.delete();
      await Promise.all(made.map((instance, at) => instance.rename(`i${round}-${at}`)));
    }
  });

  it("is finished and told at the next open when a process dies between the record and the end", async () => {
    const host = await place.open();
    const { uuid } = await (await host.create(CONFIG)).inspect();
    await host[Symbol.asyncDispose]();
    const journal = new Journal(`${place.root}/journal`, { event: () => undefined, missed: () => undefined });
    journal.begin({ kind: "rename", instance: "a", uuid, data: { key: uuid, to: "b" } });
    journal.close();
    await symlink(`../instances/${uuid}`, `${place.root}/names/b`);
    const path = `${place.folder("a")}/instance.json`;
    const record = JSON.parse(await readFile(path, "utf8"));
    await writeFile(path, JSON.stringify({ ...record, config: { ...record.config, name: "b" } }));
    const next = await place.recovered();
    expect([await names(), (await next.list()).map(({ name }) => name)]).toEqual([["b"], ["b"]]);
    const events = await collect(next.watch({ since: "oldest" }), isRenamed);
    expect(events.at(-1)).toMatchObject({ uuid, instance: "b", from: "a", to: "b" });
    // It is told once.
    await (await next.get("b")).delete();
    const all = await collect((await place.open()).watch({ since: "oldest" }), ({ type }) => type === "deleted");
    expect(all.map(({ type }) => type)).toEqual(["created", "renamed", "deleted"]);
  });

  it("says so when something else lies where the link would", async () => {
    const instance = await (await place.open()).create(CONFIG);
    await writeFile(`${place.root}/names/b`, "");
    await symlink("/etc/..", `${place.root}/names/c`);
    for (const name of ["b", "c"])
      await expect(instance.rename(name)).rejects.toMatchObject({
        code: "ERR_INSTANCE_EXISTS",
        message: expect.stringContaining(`names/${name} is not a link to an instance: remove it`),
      });
  });
});
