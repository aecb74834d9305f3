import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openHost } from "../../src/host.ts";
import { ImageFolders } from "../../src/images/folders.ts";
import { type ImageRecord, ImageRecords } from "../../src/images/records.ts";
import { openImageStore } from "../../src/images/store.ts";

let folders: ImageFolders;
beforeEach(async () => {
  folders = new ImageFolders(await mkdtemp(join(tmpdir(), "pileus-images-damaged-")));
  for (const letter of ["a", "b"]) {
    await new ImageRecords(folders.records).write(record(letter));
    await mkdir(join(folders.layers, letter.repeat(64), "tree"), { recursive: true });
  }
  await writeFile(folders.aliases, JSON.stringify({ one: digest("a"), two: digest("b") }));
});
afterEach(() => rm(folders.root, { recursive: true, force: true }));

const digest = (letter: string) => `sha256:${letter.repeat(64)}`;
const record = (letter: string): ImageRecord => ({
  kind: "oci",
  fingerprint: digest(letter),
  architecture: "amd64",
  size: 1,
  createdAt: letter.charCodeAt(0),
  source: "somewhere",
  layers: [{ diffId: digest(letter), chainId: digest(letter), size: 1 }],
  properties: {},
});
const recordOf = (letter: string) => join(folders.records, `${letter.repeat(64)}.json`);
const layerOf = (letter: string) => join(folders.layers, letter.repeat(64));

const DAMAGES: readonly (readonly [what: string, damage: (path: string) => Promise<unknown>])[] = [
  ["empty", (path) => writeFile(path, "")],
  ["cut off", (path) => writeFile(path, '{"version":1,')],
  ["nested without end", (path) => writeFile(path, "[".repeat(50_000))],
  ["a folder", (path) => rm(path).then(() => mkdir(path))],
  ["of 600 MB", (path) => truncate(path, 600e6)],
];

describe("a store with a record that is", () => {
  it.each(DAMAGES)("%s opens, and other images work", async (_what, damage) => {
    await damage(recordOf("a"));
    await using store = await openImageStore({ folder: folders.root });
    expect((await store.list()).map(({ fingerprint }) => fingerprint)).toEqual([digest("b")]);
    expect(await store.get("two")).toMatchObject({ fingerprint: digest("b"), aliases: ["two"] });
    const named = { code: "ERR_IMAGE_INVALID", message: expect.stringContaining(recordOf("a")) };
    await expect(store.get("one")).rejects.toMatchObject(named);
    await expect(store.tree({ ...record("a"), aliases: [] })).rejects.toMatchObject(named);
    expect(await store.issues()).toEqual([{ image: "a".repeat(12), reason: expect.stringContaining(recordOf("a")) }]);
  });

  it.each(DAMAGES)("%s keeps the content that it may list until its image is deleted", async (_what, damage) => {
    await damage(recordOf("a"));
    await using store = await openImageStore({ folder: folders.root });
    await store.delete("two");
    expect([layerOf("a"), layerOf("b")].map((path) => existsSync(path))).toEqual([true, true]);
    await store.delete(digest("a"));
    expect([layerOf("a"), layerOf("b"), recordOf("a")].map((path) => existsSync(path))).toEqual([false, false, false]);
    expect(await store.issues()).toEqual([]);
  });
});

describe("a store with a record of a later release", () => {
  const refused = { code: "ERR_HOST", missing: [{ need: "release", reason: expect.stringContaining("version 9") }] };

  it("lists its image, keeps all content, and does not delete the image", async () => {
    const written = { version: 9, novelty: 1, image: { ...record("a"), novelty: { a: 1 } } };
    await writeFile(recordOf("a"), JSON.stringify(written));
    await using store = await openImageStore({ folder: folders.root });
    expect(await store.list()).toMatchObject([{ fingerprint: digest("a"), novelty: { a: 1 } }, {}]);
    await expect(store.delete("one")).rejects.toMatchObject(refused);
    await store.delete("two");
    expect([layerOf("a"), layerOf("b")].map((path) => existsSync(path))).toEqual([true, true]);
    expect(await store.issues()).toEqual([{ image: "a".repeat(12), reason: expect.stringContaining(recordOf("a")) }]);
    expect(JSON.parse(await readFile(recordOf("a"), "utf8"))).toEqual(written);
  });

  it("does not write it again when it cannot even read it", async () => {
    await writeFile(recordOf("a"), '{"version":9,"image":{}}');
    await using store = await openImageStore({ folder: folders.root });
    await expect(store.get("one")).rejects.toMatchObject({ code: "ERR_IMAGE_INVALID" });
    await expect(store.delete("one")).rejects.toMatchObject(refused);
    await expect(new ImageRecords(folders.records).write(record("a"))).rejects.toMatchObject(refused);
  });

  it("deletes it when its oldest reader is this one", async () => {
    await writeFile(recordOf("a"), JSON.stringify({ version: 9, minReader: 1, image: record("a") }));
    await using store = await openImageStore({ folder: folders.root });
    expect(await store.issues()).toEqual([]);
    await store.delete("one");
    expect([layerOf("a"), recordOf("a")].map((path) => existsSync(path))).toEqual([false, false]);
  });
});

it("a host opens over a damaged store, and its doctor names what is damaged", async () => {
  const root = await mkdtemp(join(tmpdir(), "pileus-damaged-"));
  try {
    const images = new ImageFolders(join(root, "images"));
    await new ImageRecords(images.records).write(record("a"));
    const path = join(images.records, `${"a".repeat(64)}.json`);
    await writeFile(path, "");
    await using host = await openHost({ root, drivers: [] });
    expect(await host.images.list()).toEqual([]);
    expect(String(await host.doctor())).toContain(path);
  } finally {
    await rm(root, { recursive: true });
  }
});

describe("a store whose file of names cannot be read", () => {
  it("finds its images by their fingerprints, and says so when asked for a name", async () => {
    await writeFile(folders.aliases, "{");
    await using store = await openImageStore({ folder: folders.root });
    expect(await store.list()).toHaveLength(2);
    expect((await store.get("a".repeat(12))).aliases).toEqual([]);
    await expect(store.get("one")).rejects.toMatchObject({
      code: "ERR_IMAGE_INVALID",
      message: expect.stringContaining(folders.aliases),
    });
    expect(await store.issues()).toMatchObject([{ image: "aliases" }]);
    await store.delete(digest("a"));
    expect(existsSync(layerOf("a"))).toBe(false);
  });
});

describe("a store whose file of sources cannot be read", () => {
  it("opens, and names the file", async () => {
    const path = join(folders.sources, `${"c".repeat(64)}.json`);
    await mkdir(folders.sources);
    await writeFile(path, "{");
    await using store = await openImageStore({ folder: folders.root });
    expect(await store.list()).toHaveLength(2);
    expect(await store.issues()).toEqual([{ image: "sources", reason: expect.stringContaining(path) }]);
  });
});
