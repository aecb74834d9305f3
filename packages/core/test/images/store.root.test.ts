import { createHash } from "node:crypto";
import { truncateSync } from "node:fs";
import { cp, readFile, stat } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { ImageError, InUseError, NotFoundError } from "../../src/errors/all.ts";
import { MAX_DISK } from "../../src/images/disk/size.ts";
import { spawn } from "../../src/system/spawn.ts";
import { requires } from "../../src/testing/requires.ts";
import { failure } from "./support/failure.ts";
import { ImportProcess } from "./support/import-process.ts";
import { NEEDS, rootfsTar } from "./support/rootfs-tar.ts";
import { listing, Scratch } from "./support/scratch.ts";

const sha256 = async (path: string) =>
  `sha256:${createHash("sha256")
    .update(await readFile(path))
    .digest("hex")}`;
describe("the image store", () => {
  it(
    "imports once, finds by fingerprint, prefix and alias, and deletes without a trace",
    requires(NEEDS, async () => {
      await using scratch = await Scratch.make();
      const archive = await rootfsTar(scratch);
      await using store = await scratch.open();
      const seen: string[] = [];
      const image = await store.import(archive, {
        aliases: ["one"],
        digest: await sha256(archive),
        onProgress: ({ phase, done, total }) => seen.push(`${phase} ${done === total}`),
      });
      expect(seen.at(-1)).toBe("unpack true");
      expect(image).toMatchObject({
        kind: "rootfs",
        aliases: ["one"],
        source: archive,
        size: (await stat(archive)).size,
      });
      // Nothing is read again.
      const again = await store.import(archive, { aliases: ["two"], onProgress: () => expect.unreachable() });
      expect(again).toEqual({ ...image, aliases: ["one", "two"] });
      for (const reference of ["one", image.fingerprint, image.fingerprint.slice(7, 19)])
        expect(await store.get(reference)).toEqual(again);
      await using other = await scratch.open();
      expect(await other.list()).toEqual([again]);
      await other.delete("two");
      await expect(store.get("one")).rejects.toBeInstanceOf(NotFoundError);
      await expect(store.tree(image)).rejects.toBeInstanceOf(NotFoundError);
      expect((await scratch.remains()).sort()).toEqual([".aliases.json.spare", "aliases.json"]);
    }),
  );

  it(
    "gives one image for the same tree in any compression or format, and another for another tree",
    requires([...NEEDS, "binary:mksquashfs", "binary:unsquashfs", "binary:gzip"], async () => {
      await using scratch = await Scratch.make();
      const archive = await rootfsTar(scratch);
      await spawn(["gzip", "-k", archive]);
      const tree = scratch.path("rootfs");
      await cp(tree, scratch.path("whole-seconds"), { recursive: true, verbatimSymlinks: true });
      await spawn(["sh", "-c", 'find "$1" -exec touch -hd @1000 {} +', "sh", scratch.path("whole-seconds")]);
      await spawn([
        "mksquashfs",
        scratch.path("whole-seconds"),
        scratch.path("rootfs.squashfs"),
        "-no-progress",
        "-quiet",
      ]);
      await using store = await scratch.open();
      const plain = await store.import(archive);
      expect(await store.import(`${archive}.gz`)).toEqual(plain);
      const folder = await store.import(tree);
      expect(await store.import(tree)).toEqual(folder);
      const squashed = await store.import(scratch.path("rootfs.squashfs"));
      expect((await store.import(scratch.path("whole-seconds"))).layers).toEqual(squashed.layers);
      const content = await store.tree(squashed);
      expect(content.kind === "layers" && (await listing(content.layers[0] ?? ""))).toEqual(
        await listing(scratch.path("whole-seconds")),
      );
      expect((await store.list()).map(({ source }) => source)).toEqual([
        archive,
        tree,
        scratch.path("rootfs.squashfs"),
      ]);
    }),
  );

  it(
    "keeps an image that instances use, and names them",
    requires(NEEDS, async () => {
      await using scratch = await Scratch.make();
      const archive = await rootfsTar(scratch);
      let users = ["web", "db"];
      await using store = await scratch.open({ users: async () => users });
      const image = await store.import(archive);
      const error = await failure(store.delete(image.fingerprint));
      expect(error).toBeInstanceOf(InUseError);
      expect(error).toMatchObject({ kind: "image", subject: image.fingerprint, users: ["db", "web"] });
      expect(await store.list()).toEqual([image]);
      users = [];
      await store.delete(image.fingerprint);
    }),
  );

  it(
    "stores disks by their digest, and refuses those that refer to other files",
    requires(["root", "binary:qemu-img", "binary:mkfs.ext4"], async () => {
      await using scratch = await Scratch.make();
      const at = (name: string) => scratch.path(name);
      await spawn(["qemu-img", "create", "-q", "-f", "qcow2", at("d.qcow2"), "1G"]);
      await spawn(["qemu-img", "create", "-q", "-f", "qcow2", "-b", at("d.qcow2"), "-F", "qcow2", at("b.qcow2")]);
      await spawn(["qemu-img", "create", "-q", "-f", "qcow2", "-o", `data_file=${at("ext")}`, at("x.qcow2"), "1G"]);
      await spawn(["truncate", "-s", "16M", at("raw")]);
      await spawn(["mkfs.ext4", "-q", at("raw")]);
      await using store = await scratch.open();
      const disk = await store.import(at("d.qcow2"), { digest: await sha256(at("d.qcow2")) });
      expect(disk).toMatchObject({
        kind: "disk",
        disk: { format: "qcow2" },
        properties: { virtualSize: String(2 ** 30) },
      });
      const raw = await store.import(at("raw"));
      expect(raw).toMatchObject({ disk: { format: "raw", digest: await sha256(at("raw")) }, size: 2 ** 24 });
      const content = await store.tree(raw);
      expect(content.kind === "disk" && (await sha256(content.path))).toBe(raw.disk?.digest);
      await spawn(["qemu-img", "create", "-q", "-f", "qcow2", at("huge.qcow2"), "8T"]);
      await spawn(["sh", "-c", 'cp "$0" "$1" && truncate -s 1T "$1"', at("raw"), at("huge.raw")]);
      for (const name of ["huge.qcow2", "huge.raw"])
        expect(String(await failure(store.import(at(name))))).toMatch(/goes beyond \d+ bytes, the limit for a disk/);
      for (const name of ["b.qcow2", "x.qcow2"])
        expect(await failure(store.import(at(name)))).toBeInstanceOf(ImageError);
      expect(await failure(store.import(at("raw"), { digest: disk.disk?.digest }))).toBeInstanceOf(ImageError);
      await spawn(["cp", at("raw"), at("grown")]);
      const onProgress = () => truncateSync(at("grown"), MAX_DISK + 1);
      expect(String(await failure(store.import(at("grown"), { onProgress })))).toMatch(/the limit for a disk/);
      for (const image of [disk, raw]) await store.delete(image.fingerprint);
      expect(await scratch.remains()).toEqual([]);
    }),
  );

  it(
    "is imported into by several processes at once: one works, the others find it",
    requires(NEEDS, async () => {
      await using scratch = await Scratch.make();
      const archive = await rootfsTar(scratch);
      const imports = [1, 2, 3].map(() => ImportProcess.start(scratch.root, archive));
      const results = await Promise.all(imports.map((one) => one.result()));
      expect(results.filter(({ worked }) => worked)).toHaveLength(1);
      expect(new Set(results.map(({ fingerprint }) => fingerprint)).size).toBe(1);
      await using store = await scratch.open();
      expect(await store.list()).toHaveLength(1);
    }),
  );
});
