import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ImageAliases, withAliases } from "../../src/images/aliases.ts";
import type { ImageRecord } from "../../src/images/records.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pileus-images-aliases-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const digest = (digit: string) => `sha256:${digit.repeat(64)}`;
const record: ImageRecord = {
  kind: "rootfs",
  fingerprint: digest("b"),
  architecture: "amd64",
  size: 1,
  createdAt: 1,
  source: "./x",
  layers: [],
  properties: {},
};

describe("ImageAliases", () => {
  it("moves a name that is in use to the new image", async () => {
    const aliases = new ImageAliases(join(folder, "aliases.json"));
    expect(await aliases.read()).toEqual({});
    await aliases.assign(["x", "y"], digest("a"));
    await aliases.assign(["y"], digest("b"));
    expect(await aliases.read()).toEqual({ x: digest("a"), y: digest("b") });
    expect(withAliases(record, await aliases.read()).aliases).toEqual(["y"]);
    await aliases.removeAll(digest("a"));
    expect(await aliases.read()).toEqual({ y: digest("b") });
  });

  it("keeps what a later release put under a name, and does not take it for an image", async () => {
    const path = join(folder, "aliases.json");
    const later = { target: digest("a"), since: 1 };
    await writeFile(path, JSON.stringify({ x: digest("a"), later }));
    const aliases = new ImageAliases(path);
    expect(await aliases.read()).toEqual({ x: digest("a") });
    await aliases.assign(["y"], digest("b"));
    await aliases.removeAll(digest("a"));
    expect(JSON.parse(await readFile(path, "utf8"))).toEqual({ y: digest("b"), later });
  });

  it.each(["{", '["x"]'])("names the file that cannot be read: %s", async (text) => {
    const path = join(folder, "aliases.json");
    await writeFile(path, text);
    const refused = { code: "ERR_IMAGE_INVALID", message: expect.stringContaining(path) };
    await expect(new ImageAliases(path).read()).rejects.toMatchObject(refused);
  });
});
