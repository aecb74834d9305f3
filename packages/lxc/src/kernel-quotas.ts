import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** How much of what the kernel gives to one user is in use, and the most. */
export interface Quota {
  readonly used: number;
  readonly most: number;
}

/** With fewer left, a systemd that starts inside fails with EMFILE: it takes about ten inotify instances, and as many keys. */
const ENOUGH = 16;

/**
 * inotify(7): the kernel counts the instances of a container also for the user who made its user namespace, which is
 * root of the host. So all containers together, and the host's own services, have one limit.
 */
export function inotifyQuota(): Quota {
  const most = Number(readFileSync("/proc/sys/fs/inotify/max_user_instances", "utf8"));
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return { used: pids.reduce((sum, pid) => sum + instancesOf(pid), 0), most };
}

/** How many inotify instances a process has; none if it has ended meanwhile. */
function instancesOf(pid: string): number {
  try {
    const folder = `/proc/${pid}/fd`;
    return readdirSync(folder).filter((fd) => readlinkSync(`${folder}/${fd}`) === "anon_inode:inotify").length;
  } catch {
    return 0;
  }
}

/**
 * The keys of a user, from the text of /proc/key-users: proc(5), `qnkeys/maxkeys`. Each tool that we launch has one, its
 * session keyring. `undefined` for a kernel without keys.
 */
export function keyQuota(text: string, uid: number): Quota | undefined {
  const [, used, most] = new RegExp(`^\\s*${uid}:\\s+\\d+ \\d+/\\d+ (\\d+)/(\\d+) `, "m").exec(text) ?? [];
  return used === undefined ? undefined : { used: Number(used), most: Number(most) };
}

/** A line for doctor(): how much is in use, and what to raise before a start meets the limit. */
export function describeQuota({ used, most }: Quota, setting: string): string {
  const use = `${used} of ${most} in use`;
  if (most - used >= ENOUGH) return use;
  return `${use}: the next start may fail; fix: sysctl -w ${setting}=${most * 10}, and in a file of /etc/sysctl.d`;
}
