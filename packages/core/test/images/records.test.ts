import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ImageError } from "../../src/contract/errors.ts";
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
    expect(await records.list()).toEqual([record("a", 1), record("b", 2)]);
    expect(await records.read(digest("a"))).toEqual(record("a", 1));
    expect(await records.read(digest("c"))).toBeUndefined();
    expect(await readdir(folder)).toHaveLength(2);
  });

  it("lists nothing where no image was ever written", async () => {
    expect(await new ImageRecords(join(folder, "none")).list()).toEqual([]);
  });

  it("rejects with an ImageError that names the file when a record cannot be read", async () => {
    const path = join(folder, `${"a".repeat(64)}.json`);
    await writeFile(path, '{"version":1');
    const error = await new ImageRecords(folder).list().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ImageError);
    expect(String(error)).toContain(path);
  });
});
