import { createHash } from "node:crypto";
import { appendFile, lstat, mkdtemp, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawn } from "@pileus/core/driver";
import { requires } from "@pileus/core/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openImageStore } from "../../../core/src/images/store.ts";
import { ociSource } from "../../src/image/source.ts";
import { buildImage, type LayerContent } from "../support/build-image.ts";

const LAYERS: readonly LayerContent[] = [
  "busybox",
  {
    "srv/setuid": { text: "#!/bin/sh\n", mode: 0o6755, uid: 1000, gid: 2000 },
    "srv/twin": { same: "srv/setuid" },
    "srv/link": { link: "../etc/passwd" },
    "srv/out": { link: "/../../etc/shadow" },
    "srv/fifo": { node: ["p"] },
    "srv/null": { node: ["c", "1", "3"] },
    "srv/sticky": { folder: true, mode: 0o1777, uid: 5 },
    [`srv/${"long".repeat(50)}`]: "long",
    "srv/ünï cödé\n": "odd",
    "opaque/below": "below",
    "opaque/both": "below",
    "gone/a/b/c": "c",
    "gone/d": "d",
    becomes: { folder: true },
    "becomes/file": "x",
    turns: "file",
  },
  {
    "opaque/.wh..wh..opq": "",
    "opaque/both": "above",
    "gone/.wh.a": "",
    "etc/.wh.shadow": "",
    "home/.wh.app": "",
    "home/app/new": "back again",
    becomes: "a file now",
    "turns/into": "a folder",
    "srv/twin": "parted",
  },
];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "pileus-oci-unpack-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const real = (test: () => Promise<void>) => requires(["root", "binary:skopeo", "binary:umoci"], test);

describe("an imported image", () => {
  it(
    "is the tree that umoci unpacks except for device nodes, with a layer of umoci on top",
    real(async () => {
      const { source } = await buildImage(folder, "base", LAYERS, { cmd: ["/bin/sh"] });
      const layout = `${folder}/layout`;
      const bundle = join(folder, "bundle");
      await spawn(["umoci", "unpack", "--image", `${layout}:base`, bundle]);
      await writeFile(join(bundle, "rootfs/added-by-umoci"), "no padding after this");
      await appendFile(join(bundle, "rootfs/etc/hosts"), "10.0.0.1 other\n");
      await rm(join(bundle, "rootfs/opaque"), { recursive: true });
      // umoci 0.4.7 ends its layers without the two blocks of zeros.
      await spawn(["umoci", "repack", "--image", `${layout}:top`, bundle]);
      await using store = await openImageStore({ folder: join(folder, "store"), plugins: [ociSource(spawn)] });
      for (const from of [source, `oci:${layout}:top`]) {
        const image = await store.import(from);
        const tree = await store.tree(image);
        if (tree.kind !== "layers") throw new Error("no layers");
        const theirs = join(folder, `bundle-${image.layers.length}`);
        await spawn(["umoci", "unpack", "--image", from.slice("oci:".length), theirs]);
        expect(await describeTree(await tree.merged())).toEqual(await describeTree(join(theirs, "rootfs")));
      }
    }),
  );

  it(
    "unpacks each layer once, for any number of images",
    real(async () => {
      await using store = await openImageStore({ folder: join(folder, "shared"), plugins: [ociSource(spawn)] });
      const names = ["one", "two"];
      for (const name of names) await store.import((await buildImage(folder, name, ["busybox", { name }])).source);
      const [one, two] = await store.list();
      expect(one?.layers[0]).toEqual(two?.layers[0]);
      expect(await readdir(join(folder, "shared", "layers", "sha256"))).toHaveLength(3);
    }),
  );
});

/** Every file by path, with everything that could differ. Like the store, this leaves out device nodes. */
async function describeTree(root: string): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  const visit = async (path: string): Promise<void> => {
    const stat = await lstat(join(root, path));
    const { mode, uid, gid, nlink } = stat;
    if (stat.isCharacterDevice() || stat.isBlockDevice()) return;
    found[path || "."] = {
      mode: mode.toString(8),
      owner: `${uid}:${gid}`,
      mtime: Math.floor(stat.mtimeMs / 1000),
      ...(stat.isFile() ? { size: stat.size, nlink, sha256: await hash(join(root, path)) } : {}),
      ...(stat.isSymbolicLink() ? { target: await readlink(join(root, path)) } : {}),
    };
    if (stat.isDirectory()) for (const name of await readdir(join(root, path))) await visit(join(path, name));
  };
  await visit("");
  return found;
}

async function hash(path: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
}
