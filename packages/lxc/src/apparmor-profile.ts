import { createHash } from "node:crypto";
import type { LinuxCapability } from "./capabilities.ts";
import type { ConfinementSpec } from "./confinement.ts";

/** A profile of AppArmor as its parser reads it, apparmor.d(5). */
export interface Profile {
  /** It has a hash of the text, so a later version of this library has profiles of its own beside those in use. */
  readonly name: string;
  readonly text: string;
  /** Whether programs may mount. */
  readonly mounting: boolean;
}

/**
 * Below /proc/sys, what belongs to a container's own namespaces: network, user, IPC and host name. The kernel asks for
 * the container's own rights there, and for the host's everywhere else.
 */
const OWN_SETTINGS = [
  ...["net", "user", "fs/mqueue", "fs/binfmt_misc", "kernel/hostname", "kernel/domainname", "kernel/ns_last_pid"],
  ...["msgmax", "msgmnb", "msgmni", "msg_next_id", "sem", "sem_next_id"].map((name) => `kernel/${name}`),
  ...["shmall", "shmmax", "shmmni", "shm_next_id", "shm_rmid_forced"].map((name) => `kernel/${name}`),
];

/**
 * Below /sys, likewise. The settings are not there, but AppArmor takes them to be there when a program opens /proc/sys by
 * a mount of proc(5) that has no place: fsmount(2). runc does so since 1.2.8 and 1.3.3, for what it runs in this
 * container (opencontainers/runc, issue 4968).
 */
const OWN_OBJECTS = ["fs/cgroup", "fs/bpf", "class/net", "devices/virtual/net", ...OWN_SETTINGS];

/** What every container may do and may not do. A rule that denies wins over all that allow. */
const COMMON = [
  // Like the profiles of liblxc and Docker: whatever is not denied below, the kernel's other checks decide.
  ...["capability,", "dbus,", "file,", "network,", "unix,", "umount,"],
  "signal (receive),",
  "signal peer=@{profile_name},",
  "ptrace (readby, tracedby),",
  "ptrace peer=@{profile_name},",
  ...allBut("/proc/sys", OWN_SETTINGS),
  ...allBut("/sys", OWN_OBJECTS),
  "deny /proc/bus/** wkl,",
  "deny /proc/{kcore,sysrq-trigger} rwkl,",
  "deny /proc/acpi/** rwkl,",
  "deny /sys/firmware/efi/efivars/** rwkl,",
  "deny /sys/kernel/{debug,tracing,security}/{,**} rwkl,",
];

/**
 * For programs that may mount: systemd does for its units, and a container in this container for its own. Its rules
 * about paths hold for what is mounted at the usual places.
 */
const MOUNTING = [
  ...["mount,", "pivot_root,", "signal,", "ptrace,"],
  // For the kernel alone, see apparmorEntries().
  "deny /dev/.lxc/{proc,sys}/** rwkl,",
];

/** For programs that may not. PID 1's helper makes this folder read-only: helper/init-helper.c. */
const NOT_MOUNTING = [
  "mount -> /proc/sys/net/,",
  "deny /sys/firmware/** rwkl,",
  "deny /sys/devices/virtual/powercap/** rwkl,",
];

const PROFILES = {
  system: { ...profile("system", [...COMMON, ...MOUNTING]), mounting: true },
  application: { ...profile("application", [...COMMON, ...NOT_MOUNTING]), mounting: false },
};

/** The profile of containers whose programs have these rights: whoever may mount gets the rules for it. */
export function profileFor({ capabilities }: Pick<ConfinementSpec, "capabilities">): Profile {
  const may = new Set<LinuxCapability>(capabilities);
  return may.has("SYS_ADMIN") ? PROFILES.system : PROFILES.application;
}

function profile(kind: string, rules: readonly string[]): Omit<Profile, "mounting"> {
  const body = `flags=(attach_disconnected, mediate_deleted) {\n${rules.map((rule) => `  ${rule}\n`).join("")}}\n`;
  // Debian and Ubuntu confine lxc-start, too: it may change to profiles whose names begin with lxc- alone
  // (/etc/apparmor.d/abstractions/lxc/start-container).
  const name = `lxc-pileus-${kind}-${createHash("sha256").update(body).digest("hex").slice(0, 12)}`;
  // Without a stated version, the rules would also have to allow what later kernels ask about.
  return { name, text: `abi <abi/3.0>,\nprofile ${name} ${body}` };
}

/**
 * Rules that deny writes below a folder except at these paths and below them. AppArmor knows no exception to a denial,
 * so for each beginning of a kept path there is one about the names that go on differently.
 */
export function allBut(folder: string, kept: readonly string[]): readonly string[] {
  const next = new Map<string, Set<string>>();
  for (const path of kept.map((name) => `/${name}`))
    for (let length = 0; length <= path.length; length++) {
      const begin = path.slice(0, length);
      const letters = next.get(begin) ?? new Set();
      next.set(begin, letters.add(path[length] ?? "/"));
    }
  return [...next]
    .filter(([begin]) => begin !== "")
    .map(([begin, letters]) => `deny ${folder}${begin}[^${[...letters.add("/")].join("")}]*{,/**} wkl,`);
}
