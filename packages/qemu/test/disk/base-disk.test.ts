import { mkdtemp, readdir, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CommandError, HostError, type Image, ImageError } from "@pileus/core";
import type { Spawn } from "@pileus/core/driver";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type BaseDisk, ensureBaseDisk } from "../../src/disk/base-disk.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pileus-base-"));
});
afterEach(() => rm(folder, { recursive: true }));

const image = { fingerprint: `sha256:${"a".repeat(64)}`, size: 1 } as Image;
const base = (spawn: Spawn): BaseDisk => ({ folder, image, size: 2 ** 20, spawn, tree: async () => "/tree" });
const succeed: Spawn = async () => ({ stdout: "", stderr: "", exitCode: 0 });
const say =
  (stderr: string): Spawn =>
  async (argv) => {
    throw new CommandError({ argv, exitCode: 1, stderr });
  };

it("makes a truncated disk again", async () => {
  let runs = 0;
  const counting: Spawn = (argv) => {
    runs += 1;
    return succeed(argv);
  };
  const path = await ensureBaseDisk(base(counting), {});
  expect(await ensureBaseDisk(base(counting), {})).toBe(path);
  expect(runs).toBe(1);
  await truncate(path, 1000);
  await ensureBaseDisk(base(counting), {});
  expect(runs).toBe(2);
});

it("distinguishes a full disk of the host from a root disk that is too small, and leaves no file of either", async () => {
  const small = base(say("Could not allocate block in ext2 filesystem while populating file system"));
  await expect(ensureBaseDisk(small, {})).rejects.toThrow(ImageError);
  const full = base(say("mkfs.ext4: No space left on device while writing out and closing file system"));
  await expect(ensureBaseDisk(full, {})).rejects.toThrow(HostError);
  expect((await readdir(folder)).filter((name) => !name.endsWith(".lock"))).toEqual([]);
});
