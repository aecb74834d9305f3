/**
 * The main job: one contract, three kinds of instance. Prepares two images, then puts a system container, an
 * application container and a virtual machine through the same steps by the same code.
 */
import { join } from "node:path";
import { openHost } from "@pileus/core";
import { lxc } from "@pileus/lxc";
import { oci } from "@pileus/oci";
import { ensureDebianKernel, qemu } from "@pileus/qemu";
import { cacheFolder } from "../../scripts/setup/folders.mjs";
import { exercise } from "./exercise.ts";
import { prepareImages, reporter } from "./images.ts";
import { renderTable, Stopwatch } from "./table.ts";

const NETWORK = "quickstart0";
const state = join(cacheFolder(), "quickstart");
const controller = new AbortController();
process.once("SIGINT", () => controller.abort(new Error("interrupted")));
const { signal } = controller;
const say = (line: string): void => console.log(`[quickstart] ${line}`);

await using host = await openHost({
  root: join(state, "host"),
  drivers: [lxc(), oci(), qemu({ cache: cacheFolder() })],
  signal,
});
const images = await prepareImages(host.images, say, signal);
say("the kernel of virtual machines: downloaded once, unpacked and not installed");
await ensureDebianKernel({ folder: join(cacheFolder(), "qemu"), onProgress: reporter(say), signal });
await host.networks.create({ name: NETWORK }, { signal });

const eth0 = { type: "nic", network: NETWORK } as const;
const configs = [
  { driver: "lxc", name: "system", image: images.debian, devices: { eth0 } },
  { driver: "oci", name: "redis", image: images.redis, devices: { eth0 }, limits: { memory: "256MiB" } },
  { driver: "qemu", name: "machine", image: images.debian, devices: { eth0 }, limits: { memory: "512MiB", cpu: 2 } },
] as const;

const rows: Stopwatch[] = [];
for (const config of configs) {
  const watch = new Stopwatch(config.name, config.driver, say);
  rows.push(watch);
  // What a run cut short has left behind.
  for (const { name } of await host.list({ signal })) if (name === config.name) await (await host.get(name)).delete();
  const instance = await watch.step("create", () => host.create(config, { signal }));
  if (instance === undefined) continue;
  try {
    await exercise(instance, watch, { redis: config.driver === "oci", scratch: state, signal });
  } finally {
    await watch.step("delete", () => instance.delete());
  }
}
await host.networks.delete(NETWORK);

const report = await host.doctor();
console.log(`\n${report}\n\n${renderTable(rows)}`);
const failures = rows.flatMap((row) => row.failures);
for (const failure of failures) console.error(`[quickstart] FAILED: ${failure}`);
process.exitCode = failures.length > 0 ? 1 : 0;
