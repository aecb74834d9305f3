import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { Draft } from "../../src/images/draft.ts";
import { ImageFolders } from "../../src/images/folders.ts";
import { DEFAULT_LAYER_LIMITS } from "../../src/images/layer/limits.ts";
import { describeLayer, LayerStore } from "../../src/images/layer-store.ts";
import { discardUnused } from "../../src/images/sweep.ts";

it("a layer that an import under way relies on outlives the image that it came with", async () => {
  const folders = new ImageFolders(await mkdtemp(join(tmpdir(), "pileus-images-pins-")));
  try {
    await mkdir(folders.locks);
    const diffId = `sha256:${"d".repeat(64)}`;
    const store = new LayerStore(folders.layers);
    await mkdir(store.tree(diffId), { recursive: true });
    await describeLayer(store.place(diffId), { diffId, chainId: diffId, size: 1, entries: 1, devices: 0, opaque: [] });
    {
      await using draft = await Draft.open(folders, store, { image: "b", limits: DEFAULT_LAYER_LIMITS });
      await draft.addLayer({ diffId, whiteouts: true, open: () => expect.unreachable() });
      // What the delete of the only other image with it does.
      await discardUnused(folders);
      expect(existsSync(store.tree(diffId))).toBe(true);
      expect(draft.hasContent).toBe(false);
    }
    await discardUnused(folders);
    expect(existsSync(store.tree(diffId))).toBe(false);
  } finally {
    await rm(folders.root, { recursive: true, force: true });
  }
});
