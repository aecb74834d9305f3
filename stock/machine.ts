import { createReadStream } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Image, type Images, openHost } from "@pileus/core";
import { qemu } from "@pileus/qemu";
import { INSIDE } from "./application.ts";
import type { Suite } from "./suites.ts";

export type StockHost = Awaited<ReturnType<typeof openStockHost>>;
export type Machine = Awaited<ReturnType<StockHost["boot"]>>;

const NETWORK = "pileus-stock";
/** Milliseconds. An emulated machine on a busy host takes minutes to boot. */
const BOOT_TIME = 900_000;

export interface OpenOptions {
  readonly say: (line: string) => void;
  /** Aborts the work on the host, but not its removal. */
  readonly signal: AbortSignal;
}

/** The host of the machines that this tier boots. One run at a time can use it. */
export async function openStockHost(cache: string, suite: Suite, options: OpenOptions) {
  const { signal } = options;
  const root = join(cache, "stock");
  const image = await ensureImage(root, cache, suite, options);
  const host = await openHost({ root, drivers: [qemu({ cache })] });
  const name = `stock-${suite.name}`;

  return {
    /** The machine of an earlier run that kept it, running; `undefined` if there is none. */
    async kept() {
      const found = (await host.list({ state: "live" })).find((info) => info.name === name);
      return found?.state === "running" ? host.get(name, { driver: "qemu" }) : undefined;
    },
    /** A new machine, booted to the end. */
    async boot() {
      await this.remove();
      await host.networks.create({ name: NETWORK }, { signal });
      const machine = await host.create(
        {
          ...{ driver: "qemu", name, image },
          limits: { cpu: 2, memory: "2560MiB" },
          devices: { eth0: { type: "nic", network: NETWORK } },
          qemu: { kernel: "image", rootSize: "12GiB" },
        },
        { signal },
      );
      await machine.start({ signal });
      await machine.ready({ timeout: BOOT_TIME, signal });
      await untilBooted(machine, signal);
      return machine;
    },
    /** Removes what this run or a killed one has made. */
    async remove() {
      if ((await host.list()).some((info) => info.name === name)) await (await host.get(name)).delete();
      if ((await host.networks.list()).some((network) => network.name === NETWORK)) await host.networks.delete(NETWORK);
    },
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  };
}

/** The image, bootstrapped anew each month: a stock host has the updates of its release. */
async function ensureImage(root: string, cache: string, suite: Suite, { say, signal }: OpenOptions): Promise<Image> {
  await using host = await openHost({ root, drivers: [qemu({ cache })] });
  const { name, packages } = suite;
  const month = (time: number) => new Date(time).toISOString().slice(0, 7);
  const old = (await host.images.list()).filter(({ aliases }) => aliases.includes(name));
  const stale = old.filter(({ createdAt }) => month(createdAt) !== month(Date.now()));
  if (stale.length > 0) await retire(host.images, stale);
  if (stale.length === old.length) say(`bootstrapping Debian ${name} with its kernel (some minutes, once a month)`);
  return await host.images.import({ type: "debian", suite: name, packages }, { aliases: [name], signal });
}

/** Removes older images of the same packages: otherwise the import would return one of them. */
async function retire(images: Images, stale: readonly Image[]): Promise<void> {
  for (const { fingerprint } of stale) await images.delete(fingerprint);
}

/** Puts the archive's content below {@link INSIDE}. */
export async function unpackInto(machine: Machine, archive: string, signal: AbortSignal): Promise<void> {
  const file = "/root/archive";
  await machine.files.mkdir(INSIDE, { recursive: true });
  await machine.files.write(file, createReadStream(archive, { highWaterMark: 1 << 20 }), { signal });
  await machine.run(["tar", "--zstd", "-xf", file, "-C", INSIDE], { check: true, signal });
  await machine.files.remove(file);
}

/** Boots the machine again by its own systemd, and waits until all its services are up. */
export async function reboot(machine: Machine, signal: AbortSignal): Promise<void> {
  const bootId = ["cat", "/proc/sys/kernel/random/boot_id"];
  const before = (await machine.run(bootId, { check: true })).stdout;
  // A second later, so that this call itself ends.
  await machine.run(["systemd-run", "--on-active=1", "systemctl", "reboot"], { check: true });
  for (const end = performance.now() + BOOT_TIME; ; ) {
    await sleep(2000, undefined, { signal });
    // The agent is not reachable in between, so a call may fail at any point.
    const now = await machine.run(bootId, { timeout: 30_000 }).catch(() => undefined);
    if (now !== undefined && !now.failed && now.stdout !== before) break;
    if (performance.now() > end) throw new Error(`the machine is not back after ${BOOT_TIME / 1000} s`);
  }
  await untilBooted(machine, signal);
}

/** Waits until all services have started. Some may have failed; the checks find that out. */
async function untilBooted(machine: Machine, signal: AbortSignal): Promise<void> {
  await machine.run(["systemctl", "is-system-running", "--wait"], { timeout: BOOT_TIME, signal });
}
