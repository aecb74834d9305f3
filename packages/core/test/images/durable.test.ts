import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { expect, it, onTestFinished, vi } from "vitest";
import type { ImageSourcePlugin } from "../../src/contract/image-source.ts";
import * as durable from "../../src/images/durable.ts";
import { ImageFolders } from "../../src/images/folders.ts";
import { listed } from "../../src/images/records.ts";
import { openImageStore } from "../../src/images/store.ts";
import { hostArchitecture } from "../../src/system/architecture.ts";
import { file, tarBytes } from "./support/tar-bytes.ts";

// What sync(1) does shows only when the power goes: it is told instead.
vi.mock("../../src/images/durable.ts");

it("the content of an image is durable before its record is there", async () => {
  const folders = new ImageFolders(await mkdtemp(join(tmpdir(), "pileus-images-durable-")));
  onTestFinished(() => rm(folders.root, { recursive: true, force: true }));
  const owner = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 };
  const told: string[] = [];
  vi.mocked(durable.syncFileSystem).mockImplementation(async (folder) => {
    const unpacked = (await readdir(folders.drafts, { recursive: true })).some((path) => path.endsWith("tree/f"));
    told.push(`${folder}: ${unpacked}, ${await listed(folders.records)}`);
  });
  const plugin: ImageSourcePlugin = {
    prefixes: ["test:"],
    async import(source, draft) {
      if (source === "test:full")
        await draft.addLayer({ open: async () => Readable.from([tarBytes(file("f", "x", owner))]), whiteouts: true });
      const fingerprint = `sha256:${(source === "test:full" ? "f" : "e").repeat(64)}`;
      return { kind: "oci", fingerprint, architecture: hostArchitecture(), properties: {} };
    },
  };
  await using store = await openImageStore({ folder: folders.root, plugins: [plugin] });
  await store.import("test:full");
  expect(told).toEqual([`${folders.root}: true, `]);
  await store.import("test:empty");
  expect(told).toHaveLength(1);
  expect(await store.list()).toHaveLength(2);
});
