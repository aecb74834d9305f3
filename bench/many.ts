import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { AnyDriver } from "@pileus/core";
import { type Host, openHost } from "@pileus/core";
import { FakeWorld, fake, importFakeImage, makeBusyboxRootfs } from "@pileus/core/testing";
import { lxc } from "@pileus/lxc";
import { type Row, time } from "./measure.ts";

const INSTANCES = 1000;
const RUNNING = 100;
/** How often the host is opened and listed. */
const ROUNDS = 5;
/** How many instances are made, started and deleted at the same time while nothing is measured. */
const AT_ONCE = 8;

/**
 * Opening, listing and deleting a thousand instances of which a hundred run: of the driver in memory, and with a hundred
 * BusyBox containers. As root.
 */
export async function benchMany(folder: string): Promise<Row[]> {
  await mkdir(folder, { recursive: true });
  const world = new FakeWorld();
  const inMemory = await measure(
    `${INSTANCES} in memory, ${RUNNING} running`,
    () => openHost({ root: join(folder, "fake"), drivers: [fake({ world })] }),
    (host) => importFakeImage(host),
    "fake",
  );
  const rootfs = join(folder, "rootfs");
  await makeBusyboxRootfs(rootfs);
  const containers = await measure(
    `${INSTANCES} containers, ${RUNNING} running`,
    () => openHost({ root: join(folder, "lxc"), drivers: [lxc()] }),
    (host) => host.images.import(rootfs),
    "lxc",
  );
  return [...inMemory, ...containers];
}

type Image = Awaited<ReturnType<Host<AnyDriver>["images"]["import"]>>;

async function measure(
  what: string,
  open: () => Promise<Host<AnyDriver>>,
  image: (host: Host<AnyDriver>) => Promise<Image>,
  driver: string,
): Promise<Row[]> {
  const names = Array.from({ length: INSTANCES }, (_, index) => `bench-${index}`);
  {
    await using host = await open();
    const imported = await image(host);
    await each(names, async (name) => {
      const instance = await host.create({ driver, name, image: imported } as never);
      if (names.indexOf(name) < RUNNING) await instance.start();
    });
  }
  const times = { open: [] as number[], list: [] as number[] };
  for (let round = 0; round < ROUNDS; round += 1) {
    let host: Host<AnyDriver> | undefined;
    times.open.push(
      await time(async () => {
        host = await open();
      }),
    );
    times.list.push(await time(async () => host?.list()));
    await host?.[Symbol.asyncDispose]();
  }
  await using host = await open();
  const live = await time(() => host.list({ state: "live" }));
  const removal = await time(async () => {
    for (const name of names) await (await host.get(name)).delete();
  });
  return [
    row(what, "open", times.open),
    row(what, "list", times.list),
    row(what, "list, live", [live]),
    row(what, "delete all, one by one", [removal]),
  ];
}

async function each(names: readonly string[], work: (name: string) => Promise<void>): Promise<void> {
  const queue = names.values();
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (const name of queue) await work(name);
    }),
  );
}

function row(what: string, name: string, values: readonly number[]): Row {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  return { what, name, median: at(0.5), p90: at(0.9) };
}
