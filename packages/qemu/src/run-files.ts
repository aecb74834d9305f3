import { join } from "node:path";
import type { InstanceContext } from "@pileus/core/driver";

/** How many processes can hold a machine at the same time: each monitor serves one. */
const MONITORS = 4;

/** The files of one instance, by what they are. */
export interface RunFiles {
  readonly disk: string;
  /** The folder of the kernel and the initramfs of a machine that boots its own kernel. */
  readonly boot: string;
  readonly monitors: readonly string[];
  readonly console: string;
  readonly agent: string;
  readonly pid: string;
  /** The uid of QEMU, noted before it starts. */
  readonly user: string;
  /** The output of the serial console since the last start. */
  readonly consoleLog: string;
  /** The output of QEMU itself. */
  readonly qemuLog: string;
}

export function runFiles(instance: Pick<InstanceContext, "folder" | "run" | "log">): RunFiles {
  return {
    disk: join(instance.folder, "disk.qcow2"),
    boot: join(instance.folder, "boot"),
    monitors: Array.from({ length: MONITORS }, (_, index) => join(instance.run, `qmp${index}.sock`)),
    console: join(instance.run, "console.sock"),
    agent: join(instance.run, "agent.sock"),
    pid: join(instance.run, "qemu.pid"),
    user: join(instance.run, "qemu.user"),
    consoleLog: join(instance.log, "console.log"),
    qemuLog: join(instance.log, "qemu.log"),
  };
}

/** What a run leaves behind. */
export function socketsOf(files: RunFiles): readonly string[] {
  return [...files.monitors, files.console, files.agent, files.pid, files.user];
}
