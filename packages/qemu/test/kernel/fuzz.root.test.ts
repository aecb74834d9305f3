import { mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ImageError, isInstanceError } from "@pileus/core";
import { spawn } from "@pileus/core/driver";
import { requires } from "@pileus/core/testing";
import { expect, it } from "vitest";
import { randomOf } from "../../../core/test/images/support/random.ts";
import { collectModules } from "../../src/kernel/modules.ts";
import { withRootKernel } from "../../src/kernel/root-kernel.ts";
import { makeExt4 } from "../support/ext4-image.ts";
import { bzImage } from "../support/kernel-head.ts";

const NEEDS = ["binary:mkfs.ext4", "binary:qemu-img", "binary:debugfs"] as const;
/** How many damaged disks are read: see docs/testing.md. */
const DISKS = Number(process.env["PILEUS_FUZZ"] ?? 20_000) / 100;

const module = (depends: string) => Buffer.from(`\x7fELF\0depends=${depends}\0`);

for (const blockSize of [1024, 4096]) {
  it(
    `reads a kernel from ${DISKS} damaged disks with blocks of ${blockSize} bytes, or says that it cannot`,
    { timeout: 60_000 + DISKS * 500 },
    requires(NEEDS, async () => {
      const folder = await mkdtemp(join(tmpdir(), "pileus-fuzz-"));
      try {
        const disk = await makeDisk(folder, blockSize);
        const bytes = await readFile(disk.path);
        // Most bytes are zeros between structures, and are never read.
        const structures = [...bytes.keys()].filter((at) => bytes[at] !== 0);
        await using file = await open(disk.path, "r+");
        const random = randomOf(20_260_101);
        const failures = new Set<string>();
        for (let round = 0; round < DISKS; round++) {
          const places = Array.from({ length: 1 + random(6) }, () => structures[random(structures.length)] as number);
          for (const at of places) {
            const change = Buffer.alloc([1, 2, 4, 8][random(4)] as number, [random(256), 0, 1, 255][random(4)]);
            await file.write(change, 0, change.length, at);
          }
          const read = withRootKernel(disk, async ({ content, modules }) => {
            await content();
            await collectModules(modules, [["virtio_blk", "virtio"]]);
          });
          await read.catch((error: unknown) => {
            // `ensureRootBoot()` makes an ImageError from a ConfigError about modules.
            if (!(error instanceof ImageError) && !isInstanceError(error, "ERR_CONFIG")) throw error;
            failures.add(error.message);
          });
          for (const at of places) await file.write(bytes, at, Math.min(8, bytes.length - at), at);
        }
        expect(failures.size).toBeGreaterThan(1);
      } finally {
        await rm(folder, { recursive: true });
      }
    }),
  );
}

/** A qcow2 disk with all of a root file system that was not unmounted. */
async function makeDisk(folder: string, blockSize: number) {
  const root = await makeExt4(
    folder,
    {
      "boot/vmlinuz-6.1": bzImage("6.1"),
      lib: { link: "usr/lib" },
      "usr/lib/modules/6.1/modules.builtin": "kernel/fs/ext4/ext4.ko\n",
      "usr/lib/modules/6.1/kernel/virtio.ko": module(""),
      "usr/lib/modules/6.1/kernel/virtio_blk.ko": module("virtio"),
    },
    { size: 2 ** 23, options: ["-b", `${blockSize}`] },
  );
  const [block, commands] = [join(folder, "block"), join(folder, "commands")];
  await writeFile(block, Buffer.alloc(blockSize, "journal"));
  const write = ["journal_open", `journal_write -b 2000 ${block}`, "journal_close"];
  const revoke = ["journal_open", "journal_write -r 2001", "journal_close"];
  await writeFile(commands, `${[...write, ...revoke].join("\n")}\n`);
  await spawn(["debugfs", "-w", "-f", commands, root]);
  const disk = { path: join(folder, "disk.qcow2"), backing: join(folder, "backing"), owner: "the disk" };
  await spawn(["qemu-img", "convert", "-O", "qcow2", root, disk.path]);
  await writeFile(disk.backing, "");
  return disk;
}
