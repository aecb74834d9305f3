import { execFileSync } from "node:child_process";
import { closeSync, fstatSync, ftruncateSync, mkdtempSync, openSync, rmdirSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openHost } from "@pileus/core";
import { requires } from "@pileus/core/testing";
import { expect, it } from "vitest";
import { lxc } from "../src/index.ts";
import { leftovers } from "./support/leftovers.ts";
import { subject } from "./support/lxc-subject.ts";

const run = (file: string, ...args: string[]) => execFileSync(file, args, { stdio: "ignore" });

/** Fills a disk except for `free` bytes. */
function fill(folder: string, free: number): void {
  const fd = openSync(join(folder, "filling"), "a");
  try {
    for (let size = 65_536; size >= 4096; size /= 2) while (writes(fd, size));
    ftruncateSync(fd, fstatSync(fd).size - free);
  } finally {
    closeSync(fd);
  }
}

function writes(fd: number, size: number): boolean {
  try {
    return writeSync(fd, Buffer.alloc(size)) === size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOSPC") return false;
    throw error;
  }
}

it(
  "freezes, stops and deletes a container on a full disk, and refuses to start one with a reason",
  requires(subject.needs ?? [], async () => {
    const disk = mkdtempSync(join(tmpdir(), "pileus-lxc-full-"));
    run("mount", "-t", "tmpfs", "-o", "size=64m", "pileus-test", disk);
    const root = join(disk, "root");
    const host = await openHost({ root, drivers: [lxc()] });
    try {
      const image = await subject.image(host);
      const instance = await host.create({ driver: "lxc", name: "full", image });
      const idle = await host.create({ driver: "lxc", name: "idle", image });
      await instance.start();
      fill(disk, 0);
      await instance.freeze();
      expect(await instance.state()).toBe("frozen");
      await instance.unfreeze();
      expect((await instance.run(["echo", "here"])).stdout).toBe("here\n");
      const refused = { code: "ERR_HOST", missing: [{ need: "disk-space" }] };
      await expect(idle.start()).rejects.toMatchObject(refused);
      fill(disk, 16 * 1024);
      await expect(idle.start()).rejects.toMatchObject(refused);
      expect(await idle.state()).toBe("stopped");
      fill(disk, 0);
      await instance.stop({ mode: "kill" });
      expect(await instance.state()).toBe("stopped");
      for (const each of [instance, idle]) await each.delete();
      expect(await leftovers(root)).toEqual([]);
    } finally {
      for (const { name } of await host.list()) await (await host.get(name)).delete();
      await host[Symbol.asyncDispose]();
      run("umount", disk);
      rmdirSync(disk);
    }
  }),
);
