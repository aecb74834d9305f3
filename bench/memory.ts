/**
 * The memory of our process with twenty running containers, and with none, and of the programs that run beside each
 * container. It is a program of its own, because other measurements leave memory behind in their process:
 * `node --expose-gc`, with the folder as argument.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { openHost } from "@pileus/core";
import { makeBusyboxRootfs } from "@pileus/core/testing";
import { lxc } from "@pileus/lxc";

const CONTAINERS = 20;

const [folder] = process.argv.slice(2);
if (folder === undefined || globalThis.gc === undefined) throw new Error("usage: node --expose-gc memory.ts FOLDER");

const rootfs = join(folder, "rootfs");
await makeBusyboxRootfs(rootfs);
await using host = await openHost({ root: join(folder, "host"), drivers: [lxc()] });
const image = await host.images.import(rootfs);
const instances: Awaited<ReturnType<typeof start>>[] = [];
try {
  // The first start of a process loads code that no later container loads.
  await (await start("first")).delete();
  const before = weigh();
  for (let index = 0; index < CONTAINERS; index += 1) instances.push(await start(`memory-${index}`));
  const after = weigh();
  console.log(`memory with ${CONTAINERS} running containers, and with none:`);
  for (const kind of ["resident", "in use"] as const) {
    const each = ((after[kind] - before[kind]) / CONTAINERS) * 1024;
    console.log(
      `  ${kind.padEnd(8)}  ${after[kind].toFixed(1)} MiB, ${before[kind].toFixed(1)} MiB (${each.toFixed(0)} KiB each)`,
    );
  }
  for (const instance of instances) await instance.run(["true"]);
  const beside = await weighBeside();
  console.log("median of the programs that run beside each container:");
  for (const [comm, sizes] of beside) {
    const half = sizes.sort((a, b) => a - b)[Math.floor(sizes.length / 2)];
    console.log(`  ${comm.padEnd(14)}  ${half} KiB resident (${sizes.length})`);
  }
} finally {
  for (const instance of instances) await instance.delete();
}

async function start(name: string) {
  const instance = await host.create({ driver: "lxc", name, image });
  await instance.start();
  return instance;
}

/**
 * In MiB, after a garbage collection. "In use" counts objects and buffers; V8 and malloc keep the rest of what is
 * resident.
 */
function weigh() {
  globalThis.gc?.();
  const { rss, heapUsed, external } = process.memoryUsage();
  return { resident: rss / 2 ** 20, "in use": (heapUsed + external) / 2 ** 20 };
}

/** What is resident of our programs, in KiB, by their names. Nothing else with these names should run. */
async function weighBeside(): Promise<Map<string, number[]>> {
  const found = new Map<string, number[]>();
  for (const pid of await readdir("/proc")) {
    const comm = await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "");
    if (!comm.startsWith("pileus-")) continue;
    // One that ends meanwhile has no memory any more.
    const rollup = await readFile(`/proc/${pid}/smaps_rollup`, "utf8").catch(() => "");
    const [, size] = /^Rss:\s+(\d+)/mu.exec(rollup) ?? [];
    if (size === undefined) continue;
    found.set(comm.trim(), [...(found.get(comm.trim()) ?? []), Number(size)]);
  }
  return found;
}
