import { mkdtemp, readdir, rename, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawn } from "@pileus/core/driver";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ociSource } from "../../src/image/source.ts";
import { fakeDraft } from "../support/fake-draft.ts";
import { type RawImage, rawLayout } from "../support/raw-layout.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "pileus-oci-layout-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const tar = Buffer.alloc(1024);

async function load(image: RawImage) {
  const draft = await fakeDraft(folder);
  const description = await ociSource(spawn).import(await rawLayout(folder, image), draft, {});
  return { draft, description };
}

describe("a layout", () => {
  it("returns a layer that a registry may not serve, if its blob is there", async () => {
    const layer = {
      mediaType: "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
      urls: ["https://h.x/l"],
    };
    const { draft } = await load({ layers: [tar], layer });
    expect(draft.tars).toHaveLength(1);
    await expect(load({ layers: [tar], layer, lacking: [0] })).rejects.toMatchObject({
      code: "ERR_IMAGE_INVALID",
      message: expect.stringMatching(/blob sha256:\w+ is not there: it has urls/),
    });
  });

  it("is refused if a layer has another size than its descriptor declares", async () => {
    await expect(load({ layers: [tar], layer: { size: 7 } })).rejects.toMatchObject({
      code: "ERR_IMAGE_INVALID",
      message: expect.stringMatching(/blob sha256:\w+ has \d+ bytes, not 7/),
    });
  });

  it("is refused if a link stands for a blob, even one to the right bytes", async () => {
    const source = await rawLayout(folder, { layers: [tar] });
    const blobs = join(source.slice("oci:".length), "blobs", "sha256");
    const [blob = ""] = await readdir(blobs);
    const outside = await mkdtemp(join(folder, "outside-"));
    await rename(join(blobs, blob), join(outside, blob));
    await symlink(join(outside, blob), join(blobs, blob));
    await expect(ociSource(spawn).import(source, await fakeDraft(folder), {})).rejects.toMatchObject({
      code: "ERR_IMAGE_INVALID",
      message: expect.stringContaining("cannot be read"),
    });
  });

  it("may hold an image without layers", async () => {
    const rootfs = { type: "layers", diff_ids: null };
    const { draft, description } = await load({ config: { rootfs, config: null }, manifest: { layers: null } });
    expect(draft.opened).toEqual([]);
    expect(description.kind).toBe("oci");
  });

  it("lists the entries of the environment that name no variable", async () => {
    const { description } = await load({ layers: [tar], config: { config: { Env: ["A=1", "", "=x", "\x1bB"] } } });
    expect(description.process?.env).toEqual(["A=1"]);
    expect(description.properties["oci.envLeftOut"]).toBe('"" "=x" "\ufffdB"');
  });
});
