import { readdirSync, readFileSync, statSync } from "node:fs";
import type { Attempt } from "./perl.ts";

/**
 * What a program inside tries against the host, and what the kernel answers: in a system container, and in an
 * application container. `own`: a system container may do it to itself, or as the settings of the host say.
 */
export type Escape = readonly [attempt: Attempt, lxc: "EPERM" | "EACCES" | "own", oci: "EPERM" | "EACCES" | "ENOSYS"];

/** Calls that no container may make, privileged or not, because they reach the host's kernel past any namespace. */
export const REACH_THE_KERNEL: readonly Escape[] = [
  [["kexec_load", 0, 0, 0, 0], "EPERM", "EPERM"],
  [["kexec_file_load", 0, 0, 0, "", 0], "EPERM", "EPERM"],
  [["init_module", 0, 0, ""], "EPERM", "EPERM"],
  [["finit_module", 0, "", 0], "EPERM", "EPERM"],
  [["delete_module", "x", 0], "EPERM", "EPERM"],
  [["open_by_handle_at", -100, 0, 0], "EPERM", "EPERM"],
  [["settimeofday", 0, 0], "EPERM", "EPERM"],
  [["iopl", 3], "own", "EPERM"],
  [["ioperm", 100, 1, 1], "own", "EPERM"],
  [["umount2:force", "/proc", 1], "EACCES", "EPERM"],
];

const CLONE_NEWUSER = 0x10000000;
const SIGCHLD = 17;
const KEY_SPEC_SESSION_KEYRING = -3;
const SYSLOG_ACTION_CONSOLE_LEVEL = 8;
const ADDR_NO_RANDOMIZE = 0x40000;
const [S_IFCHR, S_IFBLK] = [0o020000, 0o060000];
const [AF_ALG, AF_VSOCK, SOCK_STREAM, SOCK_SEQPACKET] = [38, 40, 1, 5];

/** What an unprivileged container tries besides. Those of a system container fail in the kernel, not in its list. */
export const ESCAPES: readonly Escape[] = [
  ...REACH_THE_KERNEL,
  // The kernel's log, its console, and what the whole host has one of.
  [["syslog", SYSLOG_ACTION_CONSOLE_LEVEL, 0, 99], "EPERM", "EPERM"],
  [["swapon", "/none", 0], "EPERM", "EPERM"],
  [["swapoff", "/none"], "EPERM", "EPERM"],
  [["acct", 0], "EPERM", "EPERM"],
  [["reboot", 0, 0, 0, 0], "own", "EPERM"],
  [["quotactl", 0, "", 0, 0], "own", "EPERM"],
  [["fanotify_init", 0, 0], "EPERM", "EPERM"],
  [["vhangup"], "own", "EPERM"],
  // A better place than the host's own programs.
  [["setpriority", 0, 0, -20], "EACCES", "EACCES"],
  [["mbind", 0, 0, 0, 0, 0, 0], "own", "EPERM"],
  // Devices: /dev/mem, the first disk.
  [["mknod:memory", "/tmp/escape-memory", S_IFCHR | 0o600, (1 << 8) | 1], "EPERM", "EPERM"],
  [["mknod:disk", "/tmp/escape-disk", S_IFBLK | 0o600, 8 << 8], "EPERM", "EPERM"],
  // Namespaces and mounts: new ground for faults of the kernel.
  [["mount", "none", "/tmp", "tmpfs", 0, 0], "own", "EPERM"],
  [["umount2", "/proc", 0], "own", "EPERM"],
  [["pivot_root", "/", "/"], "own", "EPERM"],
  [["unshare", CLONE_NEWUSER], "own", "EPERM"],
  [["clone", CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0], "own", "EPERM"],
  [["clone3", 0, 0], "own", "ENOSYS"],
  [["setns", 0, 0], "own", "EPERM"],
  [["open_tree", -100, "/", 1], "own", "EPERM"],
  [["move_mount", 0, "", 0, "", 0], "own", "EPERM"],
  [["mount_setattr", -100, "", 0, 0, 0], "own", "EPERM"],
  [["fsopen", "tmpfs", 0], "own", "EPERM"],
  [["fsmount", 0, 0, 0], "own", "EPERM"],
  [["fspick", -100, "/", 0], "own", "EPERM"],
  // Large parts of the kernel that programs of images do without.
  [["keyctl", 0, KEY_SPEC_SESSION_KEYRING, 0, 0, 0], "own", "EPERM"],
  [["add_key", "user", "x", "x", 1, KEY_SPEC_SESSION_KEYRING], "own", "EPERM"],
  [["request_key", "user", "x", 0, KEY_SPEC_SESSION_KEYRING], "own", "EPERM"],
  [["bpf", 0, 0, 0], "own", "EPERM"],
  [["perf_event_open", 0, 0, -1, -1, 0], "own", "EPERM"],
  [["userfaultfd", 0], "own", "EPERM"],
  [["io_uring_setup", 1, 0], "own", "EPERM"],
  [["io_uring_enter", 0, 0, 0, 0, 0, 0], "own", "EPERM"],
  [["kcmp", 1, 1, 0, 0, 0], "own", "EPERM"],
  [["pidfd_getfd", -1, 0, 0], "own", "EPERM"],
  [["personality", ADDR_NO_RANDOMIZE], "own", "EPERM"],
  // Sockets of the kernel and of the hypervisor; it ignores the high bits of a family.
  [["socket:ALG", AF_ALG, SOCK_SEQPACKET, 0], "own", "EPERM"],
  [["socket:VSOCK", AF_VSOCK, SOCK_STREAM, 0], "own", "EPERM"],
  [["socket:VSOCK-with-high-bits", `${0x1_0000_0000 + AF_VSOCK}`, SOCK_STREAM, 0], "own", "EPERM"],
];

/** The attempts of a table whose answer is known in this kind of container, and the answers by name. */
export function expected(escapes: readonly Escape[], kind: "lxc" | "oci") {
  const answer = ([, lxc, oci]: Escape) => (kind === "lxc" ? lxc : oci);
  const known = escapes.filter((tried) => answer(tried) !== "own");
  return {
    attempts: known.map(([attempt]) => attempt),
    answers: Object.fromEntries(known.map((tried) => [tried[0][0], answer(tried)])),
  };
}

/** Files of the kernel that switch something of the whole host, or show its memory. */
const SWITCHES = [
  "/proc/sys/kernel/core_pattern",
  "/proc/sys/kernel/modprobe",
  "/proc/sys/kernel/hotplug",
  "/proc/sys/kernel/panic",
  "/proc/sys/kernel/sysrq",
  "/proc/sys/vm/drop_caches",
  "/proc/sys/vm/panic_on_oom",
  "/proc/sys/fs/file-max",
  "/proc/sys/fs/binfmt_misc/register",
  "/proc/sysrq-trigger",
  "/proc/kcore",
  "/proc/kmsg",
  "/sys/kernel/uevent_helper",
  "/sys/kernel/mm/transparent_hugepage/enabled",
  "/sys/power/state",
  "/dev/mem",
  "/dev/kvm",
  "/dev/net/tun",
  "/dev/loop-control",
  "/dev/fuse",
] as const;

/**
 * Scripts that say `reached` if the container let them. None of them does any harm where they succeed: they open files,
 * and write nothing.
 */
const SCRIPTS: Readonly<Record<string, string>> = {
  // cgroups(7), release_agent: a program of the host that the kernel starts as root (CVE-2022-0492).
  "a release_agent": `mkdir -p /tmp/groups && for type in "cgroup -o memory" "cgroup -o pids" "cgroup -o none,name=x"; do
    mount -t $type none /tmp/groups && find /tmp/groups -name release_agent | grep . && break
  done`,
  debugfs: "mkdir -p /tmp/debug && mount -t debugfs none /tmp/debug",
  tracefs: "mkdir -p /tmp/trace && mount -t tracefs none /tmp/trace",
  securityfs: "mkdir -p /tmp/security && mount -t securityfs none /tmp/security",
  "a disk by its number": "mknod /tmp/disk b $DISK && head -c 1 /tmp/disk",
  "the memory by its number": "mknod /tmp/memory c 1 1 && head -c 1 /tmp/memory",
  "more open files than its limit": "ulimit -n $(($(ulimit -Hn) + 1))",
  "a better score with the OOM killer": "echo -1000 >/proc/self/oom_score_adj",
  "a terminal": "exec 3<>/dev/tty",
  // The folders behind the descriptors of what started it (CVE-2024-21626).
  "the root of the host": `for start in /proc/1/root /proc/1/cwd /proc/self/cwd /proc/1/fd/* /proc/self/fd/*; do
    up=$start
    for level in 1 2 3 4 5 6 7 8; do
      up=$up/..
      [ "$(stat -c %d:%i $up/.)" = "$HOST" ] && exit 0
    done
  done; exit 1`,
};

/** The numbers of a disk of this host, as mknod(1) takes them. */
function hostDisk(): string {
  const [disk] = readdirSync("/sys/block");
  return disk === undefined ? "8 0" : readFileSync(`/sys/block/${disk}/dev`, "utf8").trim().replace(":", " ");
}

/** argv of a shell that tries everything that needs no call of its own, and prints what it reached, a name a line. */
export function reachArgv(): readonly string[] {
  const { dev, ino } = statSync("/");
  const door = (name: string, script: string) => `(${script}) >/dev/null 2>&1 </dev/null && echo '${name}'`;
  const lines = [
    // Root of a user namespace can do this to mounts that are its own.
    ...["/proc/sys", "/sys"].map((path) => `mount -o remount,bind,rw ${path} 2>/dev/null`),
    ...SWITCHES.map((path) => door(`writes ${path}`, `[ -e ${path} ] && exec 3>>${path}`)),
    ...["/proc/kcore", "/proc/kmsg", "/dev/mem"].map((path) => door(`reads ${path}`, `head -c 1 ${path}`)),
    ...Object.entries(SCRIPTS).map(([name, script]) => door(name, script)),
    "true",
  ];
  return ["env", `DISK=${hostDisk()}`, `HOST=${dev}:${ino}`, "sh", "-c", lines.join("\n")];
}
