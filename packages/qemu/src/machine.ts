import { readFile } from "node:fs/promises";
import { AGENT_PORT, RUNTIME_DRIVE_SERIAL } from "@pileus/agent";
import type { InstanceConfig } from "@pileus/core";
import type { InstanceContext } from "@pileus/core/driver";
import type { AcceleratorChoice } from "./accelerator.ts";
import type { MachineSpec, SocketSpec } from "./argv/machine-spec.ts";
import type { BootAssets } from "./boot-assets.ts";
import { renderCommandLine } from "./command-line.ts";
import { ROOT_DISK_SERIAL } from "./initramfs/init-script.ts";
import { runFiles } from "./run-files.ts";
import { type QemuSection, QemuSectionSchema } from "./section.ts";

/** The memory of a machine whose configuration has no limit, in bytes. */
const DEFAULT_MEMORY = 512 * 2 ** 20;

/** What all machines are started with, made when first needed. */
export interface MachineAssets {
  readonly accelerator: AcceleratorChoice;
  /** For a guest that we boot; absent for a guest that boots from its own disk. */
  readonly boot?: BootAssets | undefined;
}

export function sectionOf(config: InstanceConfig): QemuSection {
  return QemuSectionSchema.parse(config["qemu"]);
}

/** Bytes. */
export function memoryOf(config: InstanceConfig): number {
  return config.limits.memory?.limit ?? DEFAULT_MEMORY;
}

/** Describes the machine of an instance's configuration. Pure, except for the sockets that were made for it. */
export function describeMachine(
  instance: InstanceContext,
  assets: MachineAssets,
  sockets: Omit<SocketSpec, "agent"> & { readonly agent: number },
  tscKhz: number | undefined,
): MachineSpec {
  const { config, nics } = instance;
  const section = sectionOf(config);
  const files = runFiles(instance);
  const { accelerator, cpuModel } = assets.accelerator;
  const { boot } = assets;
  const root = { id: "root", path: files.disk, format: "qcow2", serial: ROOT_DISK_SERIAL, readOnly: false } as const;
  const commandLine = renderCommandLine({ hostname: config.name, nics, type: section.machine, accelerator, tscKhz });
  return {
    name: config.name,
    uuid: instance.uuid,
    type: section.machine,
    accelerator,
    cpuModel: section.cpuModel ?? cpuModel,
    cpus: config.limits.cpu ?? 1,
    memory: memoryOf(config),
    kernel: boot === undefined ? undefined : { image: boot.kernel, initramfs: boot.initramfs, commandLine },
    disks:
      boot === undefined
        ? [root]
        : [
            root,
            { id: "runtime", path: boot.runtimeDrive, format: "raw", serial: RUNTIME_DRIVE_SERIAL, readOnly: true },
          ],
    nics: nics.map((nic, index) => ({ id: `net${index}`, tap: nic.hostInterface, mac: nic.mac })),
    sockets: {
      monitors: sockets.monitors,
      console: sockets.console,
      agent: boot === undefined ? undefined : { descriptor: sockets.agent, port: AGENT_PORT },
    },
    consoleLog: files.consoleLog,
    pidFile: files.pid,
  };
}

/** The rate of the time stamp counter in kHz, as precisely as /proc/cpuinfo has it. */
export async function readTscKhz(): Promise<number | undefined> {
  const mhz = /^cpu MHz\s*:\s*([\d.]+)$/m.exec(await readFile("/proc/cpuinfo", "latin1"))?.[1];
  return mhz === undefined ? undefined : Math.round(Number(mhz) * 1000);
}
