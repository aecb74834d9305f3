import { readdirSync, readFileSync, readlinkSync } from "node:fs";

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
    found.push(`${pid} (${read(() => readFileSync(`/proc/${pid}/comm`, "utf8")).trim()})`);
    if (found.length === MOST) break;
  }
  return found;
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
