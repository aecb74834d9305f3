import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { describeLayer, LayerStore } from "../../src/images/layer-store.ts";

it("a layer whose description cannot be read is named, and described anew by the next import that has it", async () => {
  const folder = await mkdtemp(join(tmpdir(), "pileus-images-layers-"));
  try {
    const store = new LayerStore(join(folder, "layers"));
    const chainId = `sha256:${"c".repeat(64)}`;
    const stored = { diffId: chainId, chainId, size: 1, entries: 1, devices: 0, opaque: [] };
    await mkdir(store.tree(chainId), { recursive: true });
    await writeFile(join(store.tree(chainId), "in-use"), "by an instance");
    await writeFile(join(store.place(chainId), "layer.json"), "{");
    await expect(store.read(chainId)).rejects.toMatchObject({
      code: "ERR_IMAGE_INVALID",
      message: expect.stringContaining(join(store.place(chainId), "layer.json")),
    });
    expect(await store.readable(chainId)).toBeUndefined();
    const place = join(folder, "draft");
    await mkdir(join(place, "tree"), { recursive: true });
    await describeLayer(place, stored);
    await store.adopt([{ stored, place }]);
    expect(await store.read(chainId)).toEqual(stored);
    expect(await readFile(join(store.tree(chainId), "in-use"), "utf8")).toBe("by an instance");
  } finally {
    await rm(folder, { recursive: true });
  }
});
