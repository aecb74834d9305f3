/**
 * One contract, three kinds of instance. Takes a system container, an application container and a virtual machine, each
 * made of a real image, through the same steps by the same code. If this host lacks something, the steps that need it
 * fail; the rest runs. An interrupt removes everything that was made and ends with 130.
 */
import { join } from "node:path";
import { openHost } from "@pileus/core";
import { lxc } from "@pileus/lxc";
import { oci } from "@pileus/oci";
import { ensureDebianKernel, qemu } from "@pileus/qemu";
import { cacheFolder } from "../../scripts/setup/folders.mjs";
import { exercise } from "./exercise.ts";
import { importDebian, importRedis, reporter } from "./images.ts";
import { renderTable, Stopwatch } from "./table.ts";

const NETWORK = "quickstart0";
const state = join(cacheFolder(), "quickstart");
const say = (line: string): void => console.log(`[quickstart] ${line}`);

const controller = new AbortController();
const { signal } = controller;
// Not `once`: a removal must survive a second interrupt, because npm sends one in addition to the terminal's.
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(name, () => controller.abort(new Error(`interrupted by ${name}`)));

await using host = await openHost({
  root: join(state, "host"),
  drivers: [lxc(), oci(), qemu({ cache: cacheFolder() })],
  signal,
});

const instances = [
  { driver: "lxc", name: "system", image: importDebian, limits: {} },
  { driver: "oci", name: "redis", image: importRedis, limits: { memory: "256MiB" } },
  { driver: "qemu", name: "machine", image: importDebian, limits: { memory: "512MiB", cpu: 2 } },
] as const;

const network = new Stopwatch({ name: NETWORK, kind: "network", driver: "–" }, { say, signal });
const rows: Stopwatch[] = [];
try {
  await network.step("create", async () => {
    // Removes what a killed run left: this root belongs to the quickstart.
    for (const { name } of await host.list({ signal })) await (await host.get(name, { signal })).delete({ signal });
    await host.networks.create({ name: NETWORK }, { signal });
  });
  const nic = network.failures.length === 0;
  const devices = nic ? { eth0: { type: "nic", network: NETWORK } as const } : {};

  for (const { driver, name, limits, image: prepare } of instances) {
    const watch = new Stopwatch({ name, kind: "–", driver }, { say, signal });
    rows.push(watch);
    const image = await watch.step("image", () => prepare(host.images, say, signal));
    if (driver === "qemu") await watch.step("kernel", () => prepareKernel());
    if (image === undefined) continue;
    const instance = await watch.step("create", () =>
      host.create({ driver, name, image, limits, devices }, { signal }),
    );
    if (instance === undefined) continue;
    try {
      await exercise(instance, watch, { nic, redis: driver === "oci", scratch: state, signal });
    } finally {
      await watch.step("delete", () => instance.delete());
    }
  }
} finally {
  await network.step("delete", () => host.networks.delete(NETWORK));
  if (signal.aborted) say("interrupted: what was running is removed");
  else console.log(`\n${await host.doctor()}\n\n${renderTable([...rows, network])}`);
}

const failures = [network, ...rows].flatMap((row) => row.failures);
for (const failure of failures) console.error(`[quickstart] FAILED: ${failure}`);
process.exitCode = signal.aborted ? 130 : failures.length > 0 ? 1 : 0;

function prepareKernel(): Promise<unknown> {
  say("the kernel of virtual machines: downloaded once, unpacked and not installed");
  return ensureDebianKernel({ folder: join(cacheFolder(), "qemu"), onProgress: reporter(say), signal });
}
