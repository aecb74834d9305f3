import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import type { MountPoint } from "../system/mounts.ts";

/** How many are named. */
const MOST = 5;

/**
 * The programs of an instance that use something at `path` or below it, as the instance names it: `1234 (redis-server)`.
 * `isInside` tells by the text of /proc/PID/cgroup.
 */
export function usersOf(path: string, isInside: (cgroups: string) => boolean): readonly string[] {
  const found: string[] = [];
  for (const pid of readdirSync("/proc")) {
    if (!/^\d+$/.test(pid) || !isInside(read(() => readFileSync(`/proc/${pid}/cgroup`, "utf8")))) continue;
    if (!uses(pid, path)) continue;
    found.push(`${pid} (${printable(read(() => readFileSync(`/proc/${pid}/comm`, "utf8")).trim())})`);
    if (found.length === MOST) break;
  }
  return found;
}

/**
 * What was mounted inside on a disk, or on a copy of it. `tree`: the mounts of the disk on the host. `inside`: those that
 * the instance sees, where each of the tree is followed by its copies. Pure.
 */
export function mountedOn(tree: readonly MountPoint[], inside: readonly MountPoint[]): readonly string[] {
  const groups = new Set(tree.flatMap(({ group }) => group ?? []));
  const isCopy = ({ master }: MountPoint) => master !== undefined && groups.has(master);
  const copies = new Set(inside.filter(isCopy).map(({ id }) => id));
  const found = inside.filter((one) => copies.has(one.parent) && !isCopy(one));
  return found.slice(0, MOST).map(({ path }) => `the mount at ${printable(path)} inside`);
}

/** Whoever is inside has chosen the text. */
function printable(text: string): string {
  const quoted = JSON.stringify(text).slice(1, -1);
  return quoted
    .replaceAll(/[\u007f-\u009f]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`)
    .slice(0, 200);
}

/** The kernel tells a path that this process does not see as that of the mount namespace where it is: d_path(). */
function uses(pid: string, path: string): boolean {
  const descriptors = read(() => readdirSync(`/proc/${pid}/fd`), []);
  const links = ["cwd", "root", "exe", ...descriptors.map((fd) => `fd/${fd}`)];
  return links.some((link) => {
    const to = read(() => readlinkSync(`/proc/${pid}/${link}`));
    return to === path || to.startsWith(`${path}/`);
  });
}

/** A process may end at any time. */
function read(reading: () => string): string;
function read<T>(reading: () => T, missing: T): T;
function read(reading: () => unknown, missing: unknown = ""): unknown {
  try {
    return reading();
  } catch {
    return missing;
  }
}
