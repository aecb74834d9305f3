import { join } from "node:path";
import { openHost } from "@pileus/core";
import { makeBusyboxRootfs } from "@pileus/core/testing";
import { lxc } from "@pileus/lxc";

const CONTAINERS = 20;

/** What our process weighs with twenty running containers, and what it weighed with none. */
export async function benchMemory(folder: string): Promise<string> {
  const rootfs = join(folder, "rootfs");
  await makeBusyboxRootfs(rootfs);
  await using host = await openHost({ root: join(folder, "host"), drivers: [lxc()] });
  const image = await host.images.import(rootfs);
  const before = resident();
  const instances = [];
  try {
    for (let index = 0; index < CONTAINERS; index += 1) {
      const instance = await host.create({ driver: "lxc", name: `memory-${index}`, image });
      instances.push(instance);
      await instance.start();
    }
    const after = resident();
    const each = ((after - before) / CONTAINERS) * 1024;
    return `memory of this process: ${before.toFixed(1)} MiB, with ${CONTAINERS} running containers ${after.toFixed(1)} MiB (${each.toFixed(0)} KiB each)`;
  } finally {
    for (const instance of instances) await instance.delete();
  }
}

/** Resident memory in MiB, after a collection where Node was started with --expose-gc. */
function resident(): number {
  globalThis.gc?.();
  return process.memoryUsage.rss() / 2 ** 20;
}
