import { execFileSync } from "node:child_process";
import { mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openHost } from "@pileus/core";
import { requires } from "@pileus/core/testing";
import { expect, it } from "vitest";
import { fillBlocks } from "../../../test-support/full-disk.ts";
import { lxc } from "../src/index.ts";
import { leftovers } from "./support/leftovers.ts";
import { subject } from "./support/lxc-subject.ts";

const run = (file: string, ...args: string[]) => execFileSync(file, args, { stdio: "ignore" });

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
      fillBlocks(disk);
      await instance.freeze();
      expect(await instance.state()).toBe("frozen");
      await instance.unfreeze();
      expect((await instance.run(["echo", "here"])).stdout).toBe("here\n");
      const refused = { code: "ERR_HOST", missing: [{ need: "disk-space" }] };
      await expect(idle.start()).rejects.toMatchObject(refused);
      // Not room for all that records the end.
      fillBlocks(disk, 8 * 1024);
      await expect(idle.start()).rejects.toMatchObject(refused);
      expect(await idle.state()).toBe("stopped");
      fillBlocks(disk);
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
