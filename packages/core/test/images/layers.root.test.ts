import { createReadStream, type FSWatcher, watch } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import type { ImageDescription, ImageSourcePlugin, LayerSource } from "../../src/contract/image-source.ts";
import { ImageError } from "../../src/errors/all.ts";
import { hashOf } from "../../src/images/fingerprint.ts";
import { DEFAULT_LAYER_LIMITS } from "../../src/images/layer/limits.ts";
import { unpackLayer } from "../../src/images/layer/unpack.ts";
import type { Layer } from "../../src/model/image.ts";
import { mount, umount } from "../../src/system/syscall.ts";
import { requires } from "../../src/testing/requires.ts";
import { listing, Scratch } from "./support/scratch.ts";
import { file, folder, hardLink, paxBytes, type RawEntry, symlink, tarBytes } from "./support/tar-bytes.ts";

const NEEDS = ["root", "binary:tar"] as const;

/** An image of the given layers, under the name of its prefix. */
class LayeredSource implements ImageSourcePlugin {
  readonly prefixes = ["layers:"];
  readonly images: Record<string, readonly (readonly (RawEntry | Buffer)[])[]> = {};
  readonly #scratch: Scratch;
  /** How often a layer's content was asked for. */
  opened = 0;
  known: Record<string, readonly string[]> = {};
  /** What else each layer says of itself. */
  claims: Partial<LayerSource> = {};

  constructor(scratch: Scratch) {
    this.#scratch = scratch;
  }

  async import(source: string, draft: { addLayer(layer: LayerSource): Promise<Layer> }): Promise<ImageDescription> {
    const diffIds: string[] = [];
    for (const [index, entries] of (this.images[source] ?? []).entries()) {
      const path = await this.#scratch.write(`${source.slice(7)}-${index}.tar`, tarBytes(...entries));
      const open = async () => {
        this.opened++;
        return createReadStream(path);
      };
      const diffId = this.known[source]?.[index];
      diffIds.push((await draft.addLayer({ open, whiteouts: true, diffId, ...this.claims })).diffId);
    }
    this.known[source] = diffIds;
    return { kind: "oci", architecture: "amd64", fingerprint: hashOf(diffIds), properties: {} };
  }
}

const BASE = [
  folder("./"),
  folder("etc/", { mode: 0o750, mtime: 1000 }),
  file("etc/old", "old"),
  file("etc/kept", "kept"),
  folder("usr/"),
  folder("usr/bin/", { mode: 0o711, uid: 5, mtime: 2000 }),
  file("usr/bin/sh", "sh"),
  symlink("bin", "usr/bin"),
  folder("opaque/"),
  file("opaque/gone", "gone"),
  folder("swap/"),
  file("swap/in", "in"),
  file("linked", "one"),
  hardLink("linked-too", "linked"),
  symlink("was-link", "etc"),
  file("\xff\xfe", "bytes"),
];
const UPPER = [
  file("etc/.wh.old", ""),
  file("bin/new", "new"),
  folder("opaque/", { mode: 0o700 }),
  file("opaque/.wh..wh..opq", ""),
  file("opaque/.wh.gone", ""),
  file("opaque/fresh", "fresh"),
  file("swap", "now a file"),
  file("linked", "two"),
  hardLink("from-below", "etc/kept"),
  folder("was-link/"),
  file("was-link/x", "x"),
  file(".wh.\xff\xfe", ""),
];
const TOP = [
  file("etc/kept", "changed"),
  file(".wh.opaque", ""),
  paxBytes({ "SCHILY.xattr.user.a": "b" }),
  file("top", "top"),
];

describe("layers", () => {
  it(
    "show the same tree as an overlay mount and merged, with attributes of folders that a layer only passes through",
    requires([...NEEDS, "overlay"], async () => {
      await using scratch = await Scratch.make();
      const plugin = new LayeredSource(scratch);
      plugin.images["layers:a"] = [BASE, UPPER, TOP];
      await using store = await scratch.open({ plugins: [plugin] });
      const content = await store.tree(await store.import("layers:a"));
      if (content.kind !== "layers") throw new Error("no layers");
      const merged = await content.merged();
      const at = scratch.path("mounted");
      await mkdir(at);
      mount("overlay", at, "overlay", 0, `lowerdir=${content.layers.toReversed().join(":")}`);
      let mounted: string[];
      try {
        mounted = await listing(at);
      } finally {
        umount(at);
      }
      expect(await listing(merged)).toEqual(mounted);
      const found = Object.fromEntries(mounted.map((line) => [line.split(" ")[0], line]));
      expect(Object.keys(found).filter((name) => name.startsWith("./"))).toEqual([
        ...["./bin", "./etc", "./etc/kept", "./from-below", "./linked", "./linked-too", "./swap", "./top", "./usr"],
        ...["./usr/bin", "./usr/bin/new", "./usr/bin/sh", "./was-link", "./was-link/x"],
      ]);
      expect(found["./usr/bin"]).toContain("d 711 5 0 2000");
      expect(found["./etc"]).toContain("d 750 0 0 1000");
      expect(found["./linked-too"]).toContain(Buffer.from("one").toString("base64"));
      expect(await content.merged()).toBe(merged);
    }),
  );

  it(
    "are unpacked once: an image that shares them opens only what is new, and deleting one image leaves the other whole",
    requires(NEEDS, async () => {
      await using scratch = await Scratch.make();
      const plugin = new LayeredSource(scratch);
      plugin.images["layers:a"] = [BASE, UPPER];
      plugin.images["layers:b"] = [BASE, TOP];
      await using store = await scratch.open({ plugins: [plugin] });
      const a = await store.import("layers:a", { aliases: ["a"] });
      plugin.known["layers:b"] = [a.layers[0]?.diffId ?? ""];
      const b = await store.import("layers:b");
      expect(plugin.opened).toBe(3);
      expect(b.layers[0]).toEqual(a.layers[0]);
      const content = await store.tree(b);
      const before = content.kind === "layers" ? await listing(await content.merged()) : [];
      await store.delete("a");
      const again = await store.tree(b);
      expect(again.kind === "layers" && (await listing(again.layers[0] ?? ""))).toContainEqual(
        expect.stringContaining("./etc/old f"),
      );
      expect(again.kind === "layers" && (await listing(await again.merged()))).toEqual(before);
      await store.delete(b.fingerprint);
      expect(await store.list()).toEqual([]);
      expect((await scratch.remains()).sort()).toEqual([".aliases.json.spare", "aliases.json"]);
    }),
  );

  it.for(["layers first", "rootfs first"])(
    "keep their own form, as does a rootfs of the same bytes, whichever comes first: %s",
    (order, context) =>
      requires(NEEDS, async () => {
        await using scratch = await Scratch.make();
        const plugin = new LayeredSource(scratch);
        const hiding = [folder("./"), folder("etc/"), file("etc/.wh.old", "", { mode: 0o600 })];
        plugin.images["layers:a"] = [hiding];
        const archive = await scratch.write("rootfs.tar", tarBytes(...hiding));
        await using store = await scratch.open({ plugins: [plugin] });
        const sources = ["layers:a", archive];
        const found: Record<string, string[]> = {};
        for (const source of order === "layers first" ? sources : sources.toReversed()) {
          const content = await store.tree(await store.import(source));
          const lines = content.kind === "layers" ? await listing(content.layers[0] ?? "") : [];
          found[source] = lines.map((line) => line.split(" ")[0] ?? "").filter((name) => name !== "");
        }
        expect(found).toEqual({ "layers:a": [".", "./etc"], [archive]: [".", "./etc", "./etc/.wh.old"] });
      })(context),
  );

  it(
    "can be aborted while they are linked to what lies beneath",
    requires(NEEDS, async () => {
      await using scratch = await Scratch.make();
      const [below, above] = [scratch.path("below"), scratch.path("above")];
      const given = { image: "img", limits: DEFAULT_LAYER_LIMITS, whiteouts: true };
      await unpackLayer(Readable.from([tarBytes(file("f"))]), below, { ...given, lower: [] });
      const links = Array.from({ length: 20_000 }, (_, index) => hardLink(`l${index}`, "f"));
      const controller = new AbortController();
      const reason = new Error("enough");
      let watcher: FSWatcher | undefined;
      const unpacking = unpackLayer(Readable.from([tarBytes(...links)]), above, {
        ...given,
        lower: [{ tree: below, opaque: [] }],
        signal: controller.signal,
        onProgress: () => {
          watcher ??= watch(above, (_event, name) => name === "l0" && controller.abort(reason));
        },
      });
      await expect(unpacking).rejects.toBe(reason);
      watcher?.close();
      expect((await readdir(above)).length).toBeLessThan(links.length);
    }),
  );

  it(
    "with a wrong diff ID or digest are refused, and nothing is left of those before",
    requires(NEEDS, async () => {
      await using scratch = await Scratch.make();
      const plugin = new LayeredSource(scratch);
      plugin.images["layers:a"] = [BASE, UPPER];
      await using store = await scratch.open({ plugins: [plugin] });
      const wrong = `sha256:${"0".repeat(64)}`;
      plugin.known["layers:a"] = [];
      for (const claim of [{ diffId: wrong }, { digest: wrong }]) {
        plugin.claims = claim;
        const error = await store.import("layers:a").catch((reason: unknown) => reason);
        expect(error).toBeInstanceOf(ImageError);
        expect(String(error)).toContain(`not ${wrong}`);
      }
      expect(await scratch.remains()).toEqual([]);
    }),
  );
});
