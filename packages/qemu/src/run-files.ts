import { join } from "node:path";
import type { InstanceContext } from "@pileus/core/driver";

/** How many processes can hold a machine at the same time: a monitor serves one each. */
const MONITORS = 4;

/** The files of one instance, by what they are. */
export interface RunFiles {
  readonly disk: string;
  readonly monitors: readonly string[];
  readonly console: string;
  readonly agent: string;
  readonly pid: string;
  /** What the serial console printed since the last start. */
  readonly consoleLog: string;
  /** What QEMU itself said. */
  readonly qemuLog: string;
}

export function runFiles(instance: Pick<InstanceContext, "folder" | "run" | "log">): RunFiles {
  return {
    disk: join(instance.folder, "disk.qcow2"),
    monitors: Array.from({ length: MONITORS }, (_, index) => join(instance.run, `qmp${index}.sock`)),
    console: join(instance.run, "console.sock"),
    agent: join(instance.run, "agent.sock"),
    pid: join(instance.run, "qemu.pid"),
    consoleLog: join(instance.log, "console.log"),
    qemuLog: join(instance.log, "qemu.log"),
  };
}

/** Those that a run leaves behind when it is killed. */
export function socketsOf(files: RunFiles): readonly string[] {
  return [...files.monitors, files.console, files.agent, files.pid];
}
