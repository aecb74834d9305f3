import { statSync } from "node:fs";
import type { ConfigEntry } from "./render.ts";

/**
 * What /proc and /sys tell about the whole host, or let a program change there: moby, daemon/pkg/oci/defaults.go. Not
 * every kernel has all of them.
 */
const HIDDEN = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/sys/devices/virtual/powercap",
  "/sys/firmware",
] as const;

/** `proc:mixed` of liblxc does it with /proc/sys and /proc/sysrq-trigger, the helper of PID 1 with /proc/sys/net. */
const READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq"] as const;

/** The paths of this kernel that application containers cannot read or change. */
export interface SystemPaths {
  readonly hiddenFiles: readonly string[];
  readonly hiddenFolders: readonly string[];
  readonly readOnly: readonly string[];
}

/** Which of the paths this kernel has: containers have the same. `kindOf` is for tests. */
export function readSystemPaths(kindOf = kindOnHost): SystemPaths {
  const kinds = new Map([...HIDDEN, ...READ_ONLY].map((path) => [path, kindOf(path)]));
  return {
    hiddenFiles: HIDDEN.filter((path) => kinds.get(path) === "file"),
    hiddenFolders: HIDDEN.filter((path) => kinds.get(path) === "folder"),
    readOnly: READ_ONLY.filter((path) => kinds.get(path) !== undefined),
  };
}

function kindOnHost(path: string): "file" | "folder" | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return undefined;
  return found.isDirectory() ? "folder" : "file";
}

/** Hides and protects the paths. Each mount must succeed, or the container does not start. Pure. */
export function systemPathEntries(paths: SystemPaths): readonly ConfigEntry[] {
  return [
    ...paths.hiddenFiles.map((path) => `/dev/null ${inside(path)} none bind,ro`),
    ...paths.hiddenFolders.map((path) => `tmpfs ${inside(path)} tmpfs ro,nosuid,nodev,noexec,mode=555`),
    // The path within the container covers itself: liblxc has mounted its own /proc by then.
    ...paths.readOnly.map((path) => `${inside(path)} ${inside(path)} none bind,ro,relative`),
  ].map((entry) => ["lxc.mount.entry", `${entry} 0 0`]);
}

function inside(path: string): string {
  return path.slice(1);
}
