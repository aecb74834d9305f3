import { createHash } from "node:crypto";
import { truncateSync, utimesSync } from "node:fs";
import { cp, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { ConfigError, HostError, ImageError, InUseError, NotFoundError } from "../../src/contract/errors.ts";
import { MAX_DISK } from "../../src/images/disk/size.ts";
import { spawn } from "../../src/system/spawn.ts";
import { mount, umount } from "../../src/system/syscall.ts";
import { makeBusyboxRootfs } from "../../src/testing/busybox-rootfs.ts";
import { requires } from "../../src/testing/requires.ts";
import { ImportProcess } from "./support/import-process.ts";
import { listing, Scratch } from "./support/scratch.ts";

const NEEDS = ["root", "binary:tar", "binary:busybox"] as const;

async function rootfsTar(scratch: Scratch): Promise<string> {
  const tree = scratch.path("rootfs");
  await makeBusyboxRootfs(tree);
  await writeFile(`${tree}/big`, Buffer.alloc(8 * 2 ** 20, 7));
  await spawn(["tar", "-c", "-f", scratch.path("rootfs.tar"), "-C", tree, "."]);
  return scratch.path("rootfs.tar");
}

const sha256 = async (path: string) =>
  `sha256:${createHash("sha256")
    .update(await readFile(path))
    .digest("hex")}`;
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.unreachable("it did not fail"),
    (reason: unknown) => reason,
  );

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
      expect(await scratch.remains()).toEqual(["aliases.json"]);
    }),
  );

  it(
    "gives one image for the same tree, however it was compressed or kept, and another for another tree",
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
    "refuses a source whose digest, architecture or kind is wrong, and leaves nothing",
    requires([...NEEDS, "binary:mksquashfs", "binary:unsquashfs"], async () => {
      await using scratch = await Scratch.make();
      const archive = await rootfsTar(scratch);
      await spawn(["mksquashfs", scratch.path("rootfs"), scratch.path("s"), "-no-progress", "-quiet"]);
      await writeFile(scratch.path("cut"), (await readFile(scratch.path("s"))).subarray(0, 100_000));
      await spawn(["mkfifo", scratch.path("fifo")]);
      await mkdir(scratch.path("empty"));
      await using store = await scratch.open();
      await using small = await scratch.open({ limits: { bytes: 9 * 2 ** 20 } });
      const digest = `sha256:${"0".repeat(64)}`;
      for (const [attempt, type] of [
        [() => store.import(archive, { digest }), ImageError],
        [() => store.import(scratch.path("s"), { digest }), ImageError],
        [() => store.import(scratch.path("rootfs"), { digest }), ImageError],
        [() => store.import(archive, { architecture: "arm64" }), ImageError],
        [() => small.import(scratch.path("s")), ImageError],
        [() => store.import(scratch.path("cut")), ImageError],
        [() => store.import(scratch.path("fifo")), ConfigError],
        [() => store.import(scratch.path("none")), NotFoundError],
        [() => store.import("docker://127.0.0.1:1/x"), ConfigError],
        [() => store.import(""), ConfigError],
        [() => store.import(archive, { aliases: ["-"] }), ConfigError],
        [() => store.import({ type: "debian", suite: "-x" }), ConfigError],
        [() => store.import({ type: "debian", suite: "bookworm", packages: ["--x"] }), ConfigError],
      ] as const)
        expect(await failure(attempt())).toBeInstanceOf(type);
      expect(await scratch.remains()).toEqual([]);
    }),
  );

  it(
    "counts what a squashfs holds, however long its listing is, and refuses it before it is unpacked",
    requires([...NEEDS, "binary:mksquashfs", "binary:unsquashfs"], async () => {
      await using scratch = await Scratch.make();
      const folder = `${scratch.path("tree")}/${`${"n".repeat(250)}/`.repeat(11)}`;
      await mkdir(folder, { recursive: true });
      // A listing of 70 MB.
      await spawn(["sh", "-c", 'cd "$0" && seq 24100 | xargs touch', folder]);
      await spawn(["mksquashfs", scratch.path("tree"), scratch.path("s"), "-no-progress", "-quiet"]);
      await using store = await scratch.open({ limits: { entries: 24_000 } });
      expect(String(await failure(store.import(scratch.path("s"))))).toContain("goes beyond 24000 entries, the limit");
      expect(await scratch.remains()).toEqual([]);
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
      expect(error).toMatchObject({ kind: "image", subject: image.fingerprint, users });
      expect(await store.list()).toEqual([image]);
      users = [];
      await store.delete(image.fingerprint);
    }),
  );

  it(
    "keeps disks by their digest, and refuses those that lead to other files",
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
    "leaves nothing of an import that was aborted, whose listener threw, or whose file changed, at any moment",
    requires(NEEDS, async () => {
      await using scratch = await Scratch.make();
      const archive = await rootfsTar(scratch);
      await using store = await scratch.open();
      const reason = new Error("enough");
      for (const at of [1, 1_000_000, 6_000_000, Number.POSITIVE_INFINITY]) {
        const controller = new AbortController();
        if (at === Number.POSITIVE_INFINITY) controller.abort(reason);
        const onProgress = ({ done }: { done: number }) => done >= at && controller.abort(reason);
        const { signal } = controller;
        expect(await failure(store.import(archive, { signal, onProgress }))).toBe(reason);
        expect(await failure(store.import(scratch.path("rootfs"), { signal, onProgress }))).toBe(reason);
      }
      const onProgress = () => {
        throw reason;
      };
      expect(await failure(store.import(archive, { onProgress }))).toBe(reason);
      const changed = store.import(archive, { onProgress: () => utimesSync(archive, 1, 1) });
      expect(await failure(changed)).toBeInstanceOf(ImageError);
      expect(await scratch.remains()).toEqual([]);
    }),
  );

  it(
    "says that the disk is full, for a rootfs as for a disk, and leaves nothing",
    requires([...NEEDS, "binary:mksquashfs", "binary:unsquashfs", "binary:qemu-img"], async () => {
      await using scratch = await Scratch.make();
      const archive = await rootfsTar(scratch);
      await spawn(["mksquashfs", scratch.path("rootfs"), scratch.path("s"), "-no-progress", "-quiet"]);
      const disk = Buffer.alloc(8 * 2 ** 20, 1);
      // The mark of a partition table.
      disk.writeUInt16LE(0xaa55, 510);
      const raw = await scratch.write("raw", disk);
      await mkdir(scratch.root);
      mount("tmpfs", scratch.root, "tmpfs", 0, "size=4m,mode=0700");
      try {
        await using store = await scratch.open();
        for (const source of [archive, scratch.path("rootfs"), scratch.path("s"), raw]) {
          const error = await failure(store.import(source));
          expect(error).toBeInstanceOf(HostError);
          expect(error instanceof HostError && error.missing[0]?.need).toBe("disk-space");
          expect(await scratch.remains()).toEqual([]);
        }
      } finally {
        umount(scratch.root);
      }
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

  it.for(["rootfs.tar", "rootfs"])(
    "is clean at the next open after a process was killed amid an import of %s",
    (source, context) =>
      requires(NEEDS, async () => {
        await using scratch = await Scratch.make();
        await rootfsTar(scratch);
        await using victim = ImportProcess.start(scratch.root, scratch.path(source), { hangAt: 3_000_000 });
        await victim.hanging();
        // One that is alive is left alone.
        await using before = await scratch.open();
        expect(await before.list()).toEqual([]);
        expect(await scratch.remains()).not.toEqual([]);
        await victim.kill();
        await using store = await scratch.open();
        expect(await scratch.remains()).toEqual([]);
        expect((await store.import(scratch.path(source))).kind).toBe("rootfs");
      })(context),
  );

  it(
    "bootstraps a Debian once, and rejects with mmdebstrap's own words when it cannot",
    requires(["root", "binary:mmdebstrap", "binary:apt-get"], async () => {
      await using scratch = await Scratch.make();
      await using store = await scratch.open();
      const none = { type: "debian", suite: "bookworm", mirror: `file://${scratch.folder}` } as const;
      const error = await failure(store.import(none));
      expect(error).toBeInstanceOf(ImageError);
      expect(String(error)).toMatch(/mmdebstrap failed: E: /);
      const controller = new AbortController();
      const phases: string[] = [];
      const aborted = store.import(none, {
        signal: controller.signal,
        onProgress: ({ phase }) => {
          phases.push(phase);
          controller.abort("stop");
        },
      });
      expect(await failure(aborted)).toBe("stop");
      expect(phases[0]).toMatch(/^bootstrap: /);
      expect(await scratch.remains()).toEqual([]);
    }),
  );
});
