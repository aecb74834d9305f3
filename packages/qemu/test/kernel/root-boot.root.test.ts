import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { ImageError } from "@pileus/core";
import { spawn } from "@pileus/core/driver";
import { requires } from "@pileus/core/testing";
import { expect, it } from "vitest";
import { createOverlay } from "../../src/disk/overlay.ts";
import { REQUIRED_MODULES } from "../../src/initramfs/initramfs.ts";
import { ensureRootBoot, type RootBoot } from "../../src/kernel/root-boot.ts";
import { makeExt4, type TreeFile } from "../support/ext4-image.ts";
import { bzImage } from "../support/kernel-head.ts";

const NEEDS = ["binary:mkfs.ext4", "binary:qemu-img", "binary:debugfs"] as const;
const findBusybox = async () => ({ path: import.meta.filename });

/** The root of a machine with these files. */
async function withRoot(
  files: Readonly<Record<string, TreeFile>>,
  use: (boot: RootBoot, base: string) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "pileus-root-boot-"));
  try {
    const backing = await makeExt4(folder, files);
    const disk = { path: join(folder, "disk.qcow2"), backing, owner: "the disk" };
    await createOverlay(disk.path, { path: backing, format: "raw" }, spawn);
    await use({ disk, machine: "q35", folder: join(folder, "boot") }, backing);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const module = (name: string) => Buffer.from(`\x7fELF\0name=${name}\0depends=\0`);

/** A kernel of Debian, whose modules are below /usr/lib. */
function debianKernel(release: string, without: readonly string[] = []): Record<string, TreeFile> {
  const names = ["virtio_pci", ...REQUIRED_MODULES].filter((name) => !without.includes(name));
  const folder = `usr/lib/modules/${release}`;
  return {
    [`boot/vmlinuz-${release}`]: bzImage(release),
    [`${folder}/modules.builtin`]: "kernel/fs/ext4/ext4.ko\n",
    ...Object.fromEntries(
      names.filter((name) => name !== "ext4").map((name) => [`${folder}/kernel/${name}.ko`, module(name)]),
    ),
  };
}

const LIB = { lib: { link: "usr/lib" } } as const;

it(
  "takes the newest kernel that has its modules, once, and keeps no other",
  requires(NEEDS, () =>
    withRoot(
      {
        ...LIB,
        ...debianKernel("6.1.0-9-amd64"),
        ...debianKernel("6.1.0-10-amd64"),
        // As an interrupted upgrade leaves it.
        "boot/vmlinuz-6.1.0-11-amd64.dpkg-new": bzImage("6.1.0-11-amd64"),
        "boot/vmlinuz": { link: "vmlinuz-6.1.0-9-amd64" },
      },
      async (boot, base) => {
        const files = await ensureRootBoot(boot, { findBusybox });
        expect(await readFile(files.kernel)).toEqual(bzImage("6.1.0-10-amd64"));
        const initramfs = await readFile(files.initramfs);
        for (const name of REQUIRED_MODULES.filter((one) => one !== "ext4"))
          expect(initramfs.includes(`modules/${name}.ko`)).toBe(true);
        // QEMU opens them as a user of its own.
        expect((await stat(files.kernel)).mode & 0o777).toBe(0o644);
        const { ino } = await stat(files.initramfs);
        expect(await ensureRootBoot(boot, { findBusybox })).toEqual(files);
        expect((await stat(files.initramfs)).ino).toBe(ino);

        await spawn(["debugfs", "-w", "-R", "unlink /boot/vmlinuz-6.1.0-10-amd64", base]);
        const older = await ensureRootBoot(boot, { findBusybox });
        expect(await readFile(older.kernel)).toEqual(bzImage("6.1.0-9-amd64"));
        expect((await readdir(boot.folder)).length).toBe(2);
      },
    ),
  ),
);

it(
  "reads a folder that is in itself once, and a list of modules that is one line",
  requires(NEEDS, () =>
    withRoot(
      { ...LIB, ...debianKernel("6.1"), "usr/lib/modules/6.1/modules.builtin": `${"a".repeat(2 ** 21)}/ext4.ko` },
      async (boot, base) => {
        const folder = "/usr/lib/modules/6.1/kernel";
        const links = Array.from({ length: 20 }, (_, index) => `link ${folder} ${folder}/circle-${index}`);
        const commands = join(dirname(base), "commands");
        await writeFile(commands, `${links.join("\n")}\n`);
        await spawn(["debugfs", "-w", "-f", commands, base]);
        const files = await ensureRootBoot(boot, { findBusybox });
        expect(await readFile(files.kernel)).toEqual(bzImage("6.1"));
      },
    ),
  ),
);

it(
  "stops reading a root disk with the reason of an abort",
  requires(NEEDS, () =>
    withRoot({ ...LIB, ...debianKernel("6.1") }, async (boot) => {
      const reason = new Error("enough");
      const made = ensureRootBoot(boot, { findBusybox, signal: AbortSignal.abort(reason) });
      await expect(made).rejects.toBe(reason);
    }),
  ),
);

const WRONG: Readonly<Record<string, readonly [Record<string, TreeFile>, RegExp]>> = {
  "no kernel": [{ "etc/hostname": "bare" }, /no kernel, no \/boot\/vmlinuz-\*/],
  "a kernel without its modules": [
    { "boot/vmlinuz-6.1": bzImage("6.1") },
    /vmlinuz-6\.1: its modules are missing, \/lib\/modules\/6\.1/,
  ],
  "a kernel without virtio": [
    { ...LIB, ...debianKernel("6.1", ["virtio_blk", "squashfs"]) },
    /vmlinuz-6\.1 has virtio_blk, squashfs neither built in nor in \/lib\/modules\/6\.1/,
  ],
  "a kernel of another architecture": [
    { ...LIB, ...debianKernel("6.1"), "boot/vmlinuz-6.1": bzImage("6.1", { wide: false }) },
    /vmlinuz-6\.1: it is for ia32, and this host is x64/,
  ],
  "a kernel that is packed": [
    { "boot/vmlinuz-6.1": Buffer.from([0x1f, 0x8b, 8, 0]) },
    /vmlinuz-6\.1: it is packed by gzip/,
  ],
  "modules that are damaged": [
    {
      ...LIB,
      ...debianKernel("6.1"),
      "usr/lib/modules/6.1/kernel/virtio.ko.gz": "no archive",
      "usr/lib/modules/6.1/kernel/virtio_blk.ko": Buffer.from("\x7fELF\0depends=virtio\0"),
    },
    /the modules of \/boot\/vmlinuz-6\.1 cannot be read/,
  ],
  "modules outside of the image": [
    { "boot/vmlinuz-6.1": bzImage("6.1"), lib: { link: "../../../../lib" } },
    /its modules are missing/,
  ],
};

for (const [name, [files, message]] of Object.entries(WRONG)) {
  it(
    `says what to do about a root disk with ${name}`,
    requires(NEEDS, () =>
      withRoot(files, async (boot) => {
        const error = await ensureRootBoot(boot, { findBusybox }).catch((reason: unknown) => reason);
        expect(error).toBeInstanceOf(ImageError);
        expect((error as Error).message).toMatch(message);
        expect((error as Error).message).toMatch(/qemu\.kernel to "managed"/);
        await expect(readdir(boot.folder)).rejects.toThrow(/ENOENT/);
      }),
    ),
  );
}
