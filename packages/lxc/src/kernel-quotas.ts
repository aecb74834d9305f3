import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";

/** How much of what the kernel gives to one user is in use, and the most. */
export interface Quota {
  readonly used: number;
  readonly most: number;
}

/** With fewer left, a systemd that starts inside fails with EMFILE: it takes about ten inotify instances, and as many keys. */
const ENOUGH = 16;

/**
 * inotify(7): our user's instances, in our user namespace. Root's are those of this library, of the host's services and
 * of privileged containers. Those of an unprivileged container count for its own ids.
 */
export function inotifyQuota(): Quota {
  const most = Number(readFileSync("/proc/sys/fs/inotify/max_user_instances", "utf8"));
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const namespace = readlinkSync("/proc/self/ns/user");
  return { used: pids.reduce((sum, pid) => sum + instancesOf(pid, namespace), 0), most };
}

/** How many inotify instances a process of our user and user namespace has; none if it has ended meanwhile. */
function instancesOf(pid: string, namespace: string): number {
  try {
    const folder = `/proc/${pid}/fd`;
    if (statSync(folder).uid !== process.geteuid?.() || readlinkSync(`/proc/${pid}/ns/user`) !== namespace) return 0;
    return readdirSync(folder).filter((fd) => isInotify(`${folder}/${fd}`)).length;
  } catch {
    return 0;
  }
}

/** Whether a descriptor is an inotify instance; not if it was closed meanwhile, as our own that read the folder. */
function isInotify(path: string): boolean {
  try {
    return readlinkSync(path) === "anon_inode:inotify";
  } catch {
    return false;
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
