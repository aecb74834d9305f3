import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { DiskTraffic } from "@pileus/core";
import { type CgroupLayout, readIfThereSync } from "@pileus/core/driver";

/** The major number of loop devices: devices.txt. */
const LOOP = "7";

/**
 * What a container has read from the disks of the host, and written to them; `undefined` if the kernel does not count.
 * Version 1 counts only on disks with a limit (block/blk-throttle.c, since Linux 6.10), and never what is written through
 * the page cache.
 */
export function readDiskTraffic(
  layout: Pick<CgroupLayout, "controller">,
  folder: string | undefined,
  isStacked = (device: string) => isStackedDevice(device),
): DiskTraffic | undefined {
  if (folder === undefined || layout.controller("io")?.version !== 2) return undefined;
  const text = readIfThereSync(join(folder, "io.stat"));
  if (text === undefined) return undefined;
  const sum = { read: 0, written: 0 };
  // cgroup-v2.rst, io.stat.
  for (const [, device = "", read, written] of text.matchAll(/^(\d+:\d+) rbytes=(\d+) wbytes=(\d+)/gm)) {
    if (isStacked(device)) continue;
    sum.read += Number(read);
    sum.written += Number(written);
  }
  return sum;
}

/** Whether a device is kept on others, which count the same bytes: a volume of LVM, an image file. */
function isStackedDevice(device: string): boolean {
  if (device.split(":", 1)[0] === LOOP) return true;
  const slaves = `/sys/dev/block/${device}/slaves`;
  return existsSync(slaves) && readdirSync(slaves).length > 0;
}
