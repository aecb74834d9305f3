import { utimesSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { ConfigError, HostError, ImageError, NotFoundError } from "../../src/errors/all.ts";
import { hostFailure } from "../../src/system/host-failure.ts";
import { spawn } from "../../src/system/spawn.ts";
import { mount, umount } from "../../src/system/syscall.ts";
import { requires } from "../../src/testing/requires.ts";
import { failure } from "./support/failure.ts";
import { ImportProcess } from "./support/import-process.ts";
import { NEEDS, rootfsTar } from "./support/rootfs-tar.ts";
import { Scratch } from "./support/scratch.ts";

describe("the image store", () => {
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
        [() => store.import(scratch.path("empty")), ImageError],
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
    "counts what a squashfs holds, however long its listing is, and refuses too much before unpacking",
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
          const error = hostFailure("import it", await failure(store.import(source)));
          expect(error).toBeInstanceOf(HostError);
          expect(error instanceof HostError && error.missing[0]?.need).toBe("disk-space");
          expect(await scratch.remains()).toEqual([]);
        }
      } finally {
        umount(scratch.root);
      }
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
    "bootstraps a Debian once, and rejects with the words of mmdebstrap when that fails",
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
