import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Spawn } from "@pileus/core/driver";
import { expect, it } from "vitest";
import { ensureBaseDisk } from "../../src/disk/base-disk.ts";
import { assertSelfContained, IMAGE_BOUNDS } from "../../src/disk/disk-image.ts";
import { createOverlay } from "../../src/disk/overlay.ts";
import { makeInstance } from "../support/instance.ts";

it("starts the disk tools so that they die with this process, and names the packages that have them", async () => {
  const folder = await mkdtemp(join(tmpdir(), "pileus-qemu-disk-"));
  await using instance = await makeInstance();
  const started: unknown[] = [];
  const spawn: Spawn = async ([tool], options) => {
    started.push([tool, options?.diesWithUs, options?.fromPackage]);
    return { stdout: "", stderr: "", exitCode: 0 };
  };
  try {
    const { image } = instance.context;
    const base = { folder, image, size: 4096, spawn, tree: async () => folder };
    const path = await ensureBaseDisk(base, {});
    await createOverlay(join(folder, "overlay.qcow2"), { path, format: "raw" }, spawn);
    expect(started).toEqual([
      ["mkfs.ext4", true, "e2fsprogs"],
      ["qemu-img", true, "qemu-utils"],
    ]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

it("reads a stranger's disk in a cell in which nothing can be written, by a name that is no option and no protocol", async () => {
  const spawn: Spawn = async (argv, options) => {
    expect(argv.at(-1)).toBe("./-x:y.qcow2");
    expect(options).toMatchObject({ confinedTo: "/store", readOnly: true, diesWithUs: true, bounds: IMAGE_BOUNDS });
    return { stdout: JSON.stringify({ format: "qcow2", "virtual-size": 65_536 }), stderr: "", exitCode: 0 };
  };
  expect.assertions(2);
  await assertSelfContained({ path: "/store/-x:y.qcow2", format: "qcow2" }, spawn);
});
