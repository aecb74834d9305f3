import type { Attempt } from "./perl.ts";

/** Calls that no container may make, whatever it is for: they reach the host's kernel past any namespace. */
export const REACH_THE_KERNEL: readonly Attempt[] = [
  ["kexec_load", 0, 0, 0, 0],
  ["kexec_file_load", 0, 0, 0, "", 0],
  ["init_module", 0, 0, ""],
  ["finit_module", 0, "", 0],
  ["delete_module", "x", 0],
  ["open_by_handle_at", -100, 0, 0],
];

const CLONE_NEWUSER = 0x10000000;
const KEY_SPEC_SESSION_KEYRING = -3;

/** Calls that a whole distribution makes, and a program of an image does not. */
export const BUILD_CONTAINERS: readonly Attempt[] = [
  ["mount", "none", "/tmp", "tmpfs", 0, 0],
  ["umount2", "/proc", 0],
  ["pivot_root", "/", "/"],
  ["unshare", CLONE_NEWUSER],
  ["setns", 0, 0],
  ["open_tree", -100, "/", 1],
  ["fsopen", "tmpfs", 0],
  ["keyctl", 0, KEY_SPEC_SESSION_KEYRING, 0, 0, 0],
  ["add_key", "user", "x", "x", 1, KEY_SPEC_SESSION_KEYRING],
  ["request_key", "user", "x", 0, KEY_SPEC_SESSION_KEYRING],
  ["bpf", 0, 0, 0],
  ["perf_event_open", 0, 0, -1, -1, 0],
  ["userfaultfd", 0],
  ["io_uring_setup", 1, 0],
  ["syslog", 10, 0, 0],
  ["swapon", "/none", 0],
  ["acct", 0],
  ["settimeofday", 0, 0],
  ["iopl", 0],
  ["pidfd_getfd", -1, 0, 0],
  ["quotactl", 0, "", 0, 0],
  ["reboot", 0, 0, 0, 0],
];

/** What a shell inside cannot write, and why: kernel switches of the whole host. */
export const HOST_SWITCHES = [
  "/proc/sys/kernel/core_pattern",
  "/proc/sys/kernel/panic",
  "/proc/sys/kernel/modprobe",
  "/proc/sys/vm/drop_caches",
  "/proc/sys/fs/file-max",
  "/proc/sysrq-trigger",
  "/sys/kernel/mm/transparent_hugepage/enabled",
] as const;
