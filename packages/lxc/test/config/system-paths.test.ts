import { expect, it } from "vitest";
import { readSystemPaths } from "../../src/config/system-paths.ts";

/** moby, daemon/pkg/oci/defaults.go. `proc:mixed` of liblxc protects /proc/sys and /proc/sysrq-trigger. */
const MASKED = [
  ..."acpi asound interrupts kcore keys latency_stats sched_debug scsi timer_list timer_stats"
    .split(" ")
    .map((name) => `/proc/${name}`),
  ...["/sys/devices/virtual/powercap", "/sys/firmware"],
];
const READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq"];

it.each([
  ["file", { hiddenFiles: MASKED, hiddenFolders: [], readOnly: READ_ONLY }],
  ["folder", { hiddenFiles: [], hiddenFolders: MASKED, readOnly: READ_ONLY }],
  [undefined, { hiddenFiles: [], hiddenFolders: [], readOnly: [] }],
] as const)("hides and protects what Docker does, as far as the kernel has it: each is %s", (kind, paths) => {
  expect(readSystemPaths(() => kind)).toEqual(paths);
});
