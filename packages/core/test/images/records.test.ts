import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ImageError } from "../../src/errors/all.ts";
import { type ImageRecord, ImageRecords } from "../../src/images/records.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pileus-images-records-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const digest = (digit: string) => `sha256:${digit.repeat(64)}`;
const record = (digit: string, createdAt: number): ImageRecord => ({
  kind: "rootfs",
  fingerprint: digest(digit),
  architecture: "amd64",
  size: 1,
  createdAt,
  source: "./x",
  layers: [],
  properties: {},
});

describe("ImageRecords", () => {
  it("lists what was written, oldest first, and nothing that was removed", async () => {
    const records = new ImageRecords(folder);
    for (const one of [record("b", 2), record("a", 1), record("c", 3)]) await records.write(one);
    await records.remove(digest("c"));
    const listed = { records: [record("a", 1), record("b", 2)], unreadable: [], newer: new Map() };
    expect(await records.list()).toEqual(listed);
    expect(await records.read(digest("a"))).toEqual(record("a", 1));
    expect(await records.read(digest("c"))).toBeUndefined();
    expect(await readdir(folder)).toHaveLength(2);
  });

  it("lists nothing if no image was ever written", async () => {
    expect(await new ImageRecords(join(folder, "none")).list()).toEqual({
      records: [],
      unreadable: [],
      newer: new Map(),
    });
  });

  it("reports an unreadable record beside the others, and rejects with an ImageError that names its file", async () => {
    const path = join(folder, `${"a".repeat(64)}.json`);
    const records = new ImageRecords(folder);
    await records.write(record("b", 2));
    await writeFile(path, '{"version":1');
    const { records: readable, unreadable } = await records.list();
    expect(readable).toEqual([record("b", 2)]);
    expect(unreadable).toEqual([{ fingerprint: digest("a"), error: expect.any(ImageError) }]);
    await expect(records.read(digest("a"))).rejects.toThrow(path);
  });
});
