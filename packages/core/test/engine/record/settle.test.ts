import type fs from "node:fs";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Journal } from "../../../src/engine/journal/journal.ts";
import { scriptedRoot } from "../scripted.ts";

// What fdatasync(2) does shows only when the power goes: it is told instead.
const told = vi.hoisted(() => ({ syncs: 0 }));
vi.mock("node:fs", async (original) => {
  const real = await original<typeof fs>();
  const fdatasyncSync = (fd: number) => {
    told.syncs += 1;
    real.fdatasyncSync(fd);
  };
  return { ...real, fdatasyncSync };
});

let place: Awaited<ReturnType<typeof scriptedRoot>>;
beforeEach(async () => {
  place = await scriptedRoot();
});
afterEach(() => place.dispose());

const CONFIG = { driver: "scripted", name: "a", image: "base" } as const;
const openJournal = () => new Journal(`${place.root}/journal`, { event: () => undefined, missed: () => undefined });

it("a rename is on the disk before its effects are, as they outlive a boot", async () => {
  const instance = await (await place.open()).create(CONFIG);
  told.syncs = 0;
  let before = 0;
  place.renaming.step = () => {
    before = told.syncs;
  };
  await instance.rename("b");
  expect(before).toBe(1);
});

it.each([
  ["is of a later release", (text: string) => JSON.stringify({ ...JSON.parse(text), version: 99, minReader: 99 })],
  ["cannot be read", (text: string) => text.slice(0, 20)],
])("an operation stays open while the record of its instance %s", async (_, change) => {
  const host = await place.open();
  const { uuid } = await (await host.create(CONFIG)).inspect();
  await host[Symbol.asyncDispose]();
  const journal = openJournal();
  journal.begin({ kind: "rename", instance: "a", uuid, data: { key: uuid, to: "b" } });
  const path = `${place.folder("a")}/instance.json`;
  const text = await readFile(path, "utf8");
  await writeFile(path, change(text));
  await place.recovered();
  expect(journal.openOperations()).toHaveLength(1);
  await writeFile(path, text);
  await place.recovered();
  expect(journal.openOperations()).toEqual([]);
  journal.close();
});

it.each(["b", "c"])("a rename from a to b that was cut short leaves an instance called %s its link", async (name) => {
  const host = await place.open();
  const instance = await host.create(CONFIG);
  const { uuid } = await instance.inspect();
  await instance.rename(name);
  await host[Symbol.asyncDispose]();
  const journal = openJournal();
  journal.begin({ kind: "rename", instance: "a", uuid, data: { key: uuid, to: "b" } });
  journal.close();
  await rm(`${place.root}/names/${name}`);
  await place.recovered();
  expect(await readdir(`${place.root}/names`)).toEqual([name]);
});
