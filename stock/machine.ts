import { createReadStream } from "node:fs";
import { join } from "node:path";
import { type Image, type Images, isInstanceError, openHost } from "@pileus/core";
import { qemu } from "@pileus/qemu";
import { INSIDE } from "./application.ts";
import type { Run } from "./run-step.ts";
import type { Suite } from "./suites.ts";

export type StockHost = Awaited<ReturnType<typeof openStockHost>>;
export type Machine = Awaited<ReturnType<StockHost["boot"]>>;

/** Milliseconds. An emulated machine on a busy host takes minutes to boot. */
const BOOT_TIME = 900_000;

/**
 * The host of the machine of a suite. One run at a time can use it.
 *
 * @param keep Leaves the machine of an earlier run as it is, with its image.
 * @param signal Aborts the work on the host, but not its removal.
 */
export async function openStockHost(cache: string, suite: Suite, keep: boolean, signal: AbortSignal) {
  const root = join(cache, "stock");
  const host = await openHost({ root, drivers: [qemu({ cache })] });
  const name = `stock-${suite.name}`;
  /** Removes what this run or a killed one has made. */
  const remove = async () => {
    if ((await host.list()).some((info) => info.name === name)) await (await host.get(name)).delete();
    if ((await host.networks.list()).some((network) => network.name === name)) await host.networks.delete(name);
  };
  if (!keep) await remove();
  const image = await ensureImage(host.images, suite, signal);
  const tree = join(root, "images/layers", image.layers[0]?.chainId.replace(":", "/") ?? "", "tree");

  return {
    /** The files of the image. */
    tree,
    /** The machine of an earlier run that kept it, running; `undefined` if there is none. */
    async kept() {
      const found = (await host.list({ state: "live" })).find((info) => info.name === name);
      return found?.state === "running" ? host.get(name, { driver: "qemu" }) : undefined;
    },
    /** A new machine, booted to the end. */
    async boot() {
      await remove();
      await host.networks.create({ name }, { signal });
      const machine = await host.create(
        {
          ...{ driver: "qemu", name, image },
          limits: { cpu: 2, memory: "2560MiB" },
          devices: { eth0: { type: "nic", network: name } },
          qemu: { kernel: "image", rootSize: "12GiB" },
        },
        { signal },
      );
      await machine.start({ signal });
      await machine.ready({ timeout: BOOT_TIME, signal });
      await untilBooted(machine, signal);
      return machine;
    },
    remove,
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  };
}

/** The image, bootstrapped anew each month: a stock host has the updates of its release. Older ones are removed. */
async function ensureImage(images: Images, wanted: Suite, signal: AbortSignal): Promise<Image> {
  const { name, packages, customize, checkValidUntil } = wanted;
  const month = (time: number) => new Date(time).toISOString().slice(0, 7);
  const ofSuite = async () => (await images.list()).filter(({ properties }) => properties["suite"] === name);
  // The import would return one of the same packages.
  await removeUnused(
    images,
    (await ofSuite()).filter(({ createdAt }) => month(createdAt) !== month(Date.now())),
  );
  const source = { type: "debian", suite: name, packages, customize, checkValidUntil } as const;
  const image = await images.import(source, { aliases: [name], signal });
  await removeUnused(
    images,
    (await ofSuite()).filter(({ fingerprint }) => fingerprint !== image.fingerprint),
  );
  return image;
}

/** A machine that was kept may use one. */
async function removeUnused(images: Images, old: readonly Image[]): Promise<void> {
  for (const { fingerprint } of old)
    await images.delete(fingerprint).catch((error) => {
      if (!isInstanceError(error, "ERR_IMAGE_IN_USE")) throw error;
    });
}

/** Puts the archive's content below {@link INSIDE}. */
export async function unpackInto(machine: Machine, archive: string, signal: AbortSignal): Promise<void> {
  const file = "/root/archive";
  await machine.files.mkdir(INSIDE, { recursive: true });
  await machine.files.write(file, createReadStream(archive, { highWaterMark: 1 << 20 }), { signal });
  await machine.run(["tar", "--zstd", "-xf", file, "-C", INSIDE], { check: true, signal });
  await machine.files.remove(file);
}

/** Runs programs of the application in the machine. */
export const inMachine =
  (machine: Machine): Run =>
  (argv, { onLine, ...options }) =>
    machine.run(argv, { ...options, cwd: INSIDE, onStdout: onLine, onStderr: onLine });

/** Boots the machine again by its own systemd, and waits until all its services are up. */
export async function reboot(machine: Machine, signal: AbortSignal): Promise<void> {
  await machine.reboot({ timeout: BOOT_TIME, signal });
  await untilBooted(machine, signal);
}

/** Waits until all services have started. Some may have failed; the checks find that out. */
async function untilBooted(machine: Machine, signal: AbortSignal): Promise<void> {
  await machine.run(["systemctl", "is-system-running", "--wait"], { timeout: BOOT_TIME, signal });
}
