import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { ensureInitramfs } from "../../src/initramfs/initramfs.ts";

let folder: string;
let cache: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pileus-initramfs-"));
  cache = join(folder, "cache");
  await writeFile(join(folder, "busybox"), "a static program");
});
afterEach(() => rm(folder, { recursive: true }));

const findBusybox = async () => ({ path: join(folder, "busybox") });

async function kernel(name: string, content = "kernel"): Promise<{ kernel: string }> {
  const image = join(folder, name);
  await writeFile(image, content);
  return { kernel: image };
}

it("makes one for each kernel, once: the next start uses the same file", async () => {
  const [old, upgraded] = [await kernel("6.1"), await kernel("6.12")];
  const path = await ensureInitramfs(cache, old, { findBusybox });
  const made = await stat(path);
  expect((await readFile(path)).includes("a static program")).toBe(true);
  expect(await ensureInitramfs(cache, upgraded, { findBusybox })).not.toBe(path);
  expect(await ensureInitramfs(cache, old, { findBusybox })).toBe(path);
  const { ino, mtimeMs } = await stat(path);
  expect([ino, mtimeMs]).toEqual([made.ino, made.mtimeMs]);
});

it("makes another when the kernel or BusyBox was replaced under the same name", async () => {
  const image = await kernel("kernel");
  const first = await ensureInitramfs(cache, image, { findBusybox });
  await kernel("kernel", "a newer kernel");
  const second = await ensureInitramfs(cache, image, { findBusybox });
  await writeFile(join(folder, "busybox"), "a newer static program");
  const third = await ensureInitramfs(cache, image, { findBusybox });
  expect(new Set([first, second, third]).size).toBe(3);
});

it("does not use an incomplete archive, and removes the drafts of a killed process", async () => {
  const image = await kernel("kernel");
  const path = await ensureInitramfs(cache, image, { findBusybox });
  await rm(path);
  await writeFile(join(cache, ".initramfs-0123.tmp"), "half");
  expect(await ensureInitramfs(cache, image, { findBusybox })).toBe(path);
  expect((await readdir(cache)).sort()).toEqual([path.slice(cache.length + 1), "initramfs.lock"]);
});
