import { join } from "node:path";
import type { InstanceContext } from "@pileus/core/driver";
import { MAX_PORTS } from "./argv/serial.ts";

/** How many processes can hold a machine at the same time: each monitor serves one. */
const MONITORS = 16;

/** The files of one instance, by what they are. */
export interface RunFiles {
  readonly disk: string;
  /** The folder of the kernel and the initramfs of a machine that boots its own kernel. */
  readonly boot: string;
  readonly monitors: readonly string[];
  /** One more monitor, which processes hold only for a moment, to give the machine another port of the agent. */
  readonly portMonitor: string;
  /**
   * The sockets of the agent's ports, in the order of their numbers. A machine has as many as it can get ports, and only the
   * first if an earlier release started it.
   */
  readonly agents: readonly string[];
  /** The uid of QEMU, noted before it starts. */
  readonly user: string;
}

export function runFiles(instance: Pick<InstanceContext, "folder" | "run">): RunFiles {
  return {
    disk: join(instance.folder, "disk.qcow2"),
    boot: join(instance.folder, "boot"),
    monitors: Array.from({ length: MONITORS }, (_, index) => join(instance.run, `qmp${index}.sock`)),
    portMonitor: join(instance.run, "qmp-ports.sock"),
    agents: Array.from({ length: MAX_PORTS }, (_, number) => join(instance.run, `agent${number || ""}.sock`)),
    user: join(instance.run, "qemu.user"),
  };
}

/** What a run leaves behind. */
export function socketsOf(files: RunFiles): readonly string[] {
  return [...files.monitors, files.portMonitor, ...files.agents, files.user];
}
