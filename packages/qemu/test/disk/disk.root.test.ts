import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ImageError } from "@pileus/core";
import { spawn } from "@pileus/core/driver";
import { makeBusyboxRootfs, requires } from "@pileus/core/testing";
import { expect, it } from "vitest";
import { ensureBaseDisk } from "../../src/disk/base-disk.ts";
import { assertSelfContained } from "../../src/disk/disk-image.ts";
import { createOverlay } from "../../src/disk/overlay.ts";
import { makeInstance } from "../support/instance.ts";

const needs = ["root", "binary:mkfs.ext4", "binary:qemu-img"] as const;

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "pileus-qemu-disk-"));
  try {
    await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

it(
  "makes the base of an image once for concurrent calls, as a sparse file, and an overlay at once",
  requires(needs, () =>
    inFolder(async (folder) => {
      await using instance = await makeInstance();
      const { image } = instance.context;
      const tree = join(folder, "tree");
      await makeBusyboxRootfs(tree);
      let asked = 0;
      const base = {
        folder: join(folder, "bases"),
        image,
        size: 2 ** 30,
        spawn,
        tree: async () => {
          asked++;
          return tree;
        },
      };
      const paths = await Promise.all([1, 2, 3].map(() => ensureBaseDisk(base, {})));
      expect(new Set(paths).size).toBe(1);
      expect(asked).toBe(1);
      const { size, blocks } = await stat(paths[0] ?? "");
      expect(size).toBe(2 ** 30);
      expect(blocks * 512).toBeLessThan(64 * 2 ** 20);
      const overlay = join(folder, "overlay,with comma.qcow2");
      await createOverlay(overlay, { path: paths[0] ?? "", format: "raw" }, spawn);
      const { stdout } = await spawn(["debugfs", "-R", "stat /home/app", paths[0] ?? ""]);
      expect(stdout).toMatch(/User:\s+1000\s+Group:\s+1000/);
    }),
  ),
);

it(
  "rejects with ImageError and leaves no file when the tree does not fit",
  requires(needs, () =>
    inFolder(async (folder) => {
      await using instance = await makeInstance();
      const { image } = instance.context;
      const tree = join(folder, "tree");
      await makeBusyboxRootfs(tree, { extra: { "/srv/big": { content: Buffer.alloc(20 * 2 ** 20, 1) } } });
      const bases = join(folder, "bases");
      const base = { folder: bases, image, size: 16 * 2 ** 20, spawn, tree: async () => tree };
      await expect(ensureBaseDisk(base, {})).rejects.toThrow(ImageError);
      const { stdout } = await spawn(["ls", "-A", bases]);
      expect(stdout).not.toMatch(/ext4|draft/);
    }),
  ),
);

it(
  "refuses a qcow2 that would make QEMU open another file of the host, or let a guest fill the host's disk",
  requires(needs, () =>
    inFolder(async (folder) => {
      const [secret, disk, plain] = ["secret", "disk.qcow2", "plain.qcow2"].map((name) => join(folder, name)) as [
        string,
        string,
        string,
      ];
      await writeFile(secret, Buffer.alloc(65_536));
      await spawn(["qemu-img", "create", "-q", "-f", "qcow2", "-b", secret, "-F", "raw", disk]);
      await expect(assertSelfContained({ path: disk, format: "qcow2" }, spawn)).rejects.toThrow(ImageError);
      await spawn(["qemu-img", "create", "-q", "-f", "qcow2", "-o", `data_file=${secret}`, disk, "64k"]);
      await expect(assertSelfContained({ path: disk, format: "qcow2" }, spawn)).rejects.toThrow(ImageError);
      await spawn(["qemu-img", "create", "-q", "-f", "qcow2", disk, "8T"]);
      await expect(assertSelfContained({ path: disk, format: "qcow2" }, spawn)).rejects.toThrow("the limit for a disk");
      await spawn(["qemu-img", "create", "-q", "-f", "qcow2", plain, "64k"]);
      await assertSelfContained({ path: plain, format: "qcow2" }, spawn);
    }),
  ),
);
