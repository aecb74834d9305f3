import { readFile } from "node:fs/promises";
import { RUNTIME_DRIVE_SERIAL } from "@pileus/agent";
import type { InstanceConfig } from "@pileus/core";
import type { InstanceContext } from "@pileus/core/driver";
import type { AcceleratorChoice } from "./accelerator.ts";
import type { DiskSpec, MachineSpec } from "./argv/machine-spec.ts";
import { agentPorts } from "./argv/serial.ts";
import { type BootAssets, hasInitramfs } from "./boot-assets.ts";
import { renderCommandLine } from "./command-line.ts";
import { ROOT_DISK_SERIAL } from "./initramfs/init-script.ts";
import { machineTypeOf } from "./machine-type.ts";
import { growthRegion, type Room } from "./room.ts";
import { sectionOf } from "./section.ts";
import { cpusOf, memoryOf, slotsOf } from "./size.ts";

/** A file that root disks are overlays on. */
export interface Backing {
  readonly path: string;
  readonly format: "qcow2" | "raw";
}

/** What machines share, made when first needed. */
export interface MachineAssets {
  readonly accelerator: AcceleratorChoice;
  /** For a guest that we boot; absent for a guest that boots from its own disk. */
  readonly boot?: BootAssets | undefined;
  /** What the root disk stores only the changes of. */
  readonly backing: Backing;
}

/** How many ports of the agent the machine can get. */
export function portsOf(config: InstanceConfig): number {
  return agentPorts({ type: machineTypeOf(sectionOf(config)), memory: memoryOf(config) });
}

/** What a machine is handed over: descriptors, by their numbers in QEMU. */
export interface MachineDescriptors {
  readonly monitors: readonly number[];
  readonly disk: number;
  readonly backing: DiskSpec["backing"];
  readonly taps: readonly number[];
  /** For a guest that we boot; absent for a guest that boots from its own disk. */
  readonly boot?:
    | {
        readonly kernel: number;
        readonly initramfs: number;
        /** Absent for a guest whose initramfs starts no agent. */
        readonly agent?: { readonly runtimeDrive: number; readonly sockets: readonly number[] } | undefined;
      }
    | undefined;
}

/** Describes the machine of an instance's configuration. Pure. */
export function describeMachine(
  instance: Pick<InstanceContext, "uuid" | "config" | "nics">,
  choice: AcceleratorChoice,
  descriptors: MachineDescriptors,
  { tscKhz, board, room }: { readonly tscKhz?: number | undefined; readonly board: string; readonly room: Room },
): MachineSpec {
  const { config, nics } = instance;
  const section = sectionOf(config);
  const type = machineTypeOf(section);
  const { accelerator, cpuModel } = choice;
  const { boot, disk, backing, taps } = descriptors;
  const agent = boot?.agent;
  const root = { id: "root", descriptor: disk, format: "qcow2", serial: ROOT_DISK_SERIAL, readOnly: false } as const;
  const commandLine = renderCommandLine({
    ...{ hostname: config.name, nics, type, accelerator, tscKhz },
    ownInitramfs: hasInitramfs(section.kernel),
    growsFrom: room.memory?.base,
  });
  return {
    name: config.name,
    uuid: instance.uuid,
    type,
    board,
    slots: slotsOf(config),
    accelerator,
    cpuModel: section.cpuModel ?? cpuModel,
    cpus: cpusOf(config),
    maxCpus: room.cpus?.max ?? cpusOf(config),
    memory: memoryOf(config),
    memoryGrowth: growthRegion(room),
    kernel: boot && { image: boot.kernel, initramfs: boot.initramfs, commandLine },
    disks: [{ ...root, backing }, ...(agent === undefined ? [] : [runtimeDisk(agent.runtimeDrive)])],
    nics: nics.map((nic, index) => ({ id: `net${index}`, descriptor: taps[index] as number, mac: nic.mac })),
    sockets: {
      monitors: descriptors.monitors,
      agents: agent?.sockets ?? [],
    },
  };
}

/** The disk with our agent, which is not the guest's own. */
export const RUNTIME_DISK = "runtime";

function runtimeDisk(descriptor: number): DiskSpec {
  return { id: RUNTIME_DISK, descriptor, format: "raw", serial: RUNTIME_DRIVE_SERIAL, readOnly: true };
}

/** The rate of the time stamp counter in kHz, as precisely as /proc/cpuinfo has it. */
export async function readTscKhz(): Promise<number | undefined> {
  const mhz = /^cpu MHz\s*:\s*([\d.]+)$/m.exec(await readFile("/proc/cpuinfo", "latin1"))?.[1];
  return mhz === undefined ? undefined : Math.round(Number(mhz) * 1000);
}
