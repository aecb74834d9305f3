/** The kind of computer that QEMU shows to a guest: a PC with PCI, or the minimum that Linux boots on. */
export type MachineType = "q35" | "microvm";
/** What runs the guest's instructions: the processor, or QEMU's emulation of one. */
export type Accelerator = "kvm" | "tcg";

/** A disk as the guest gets it. */
export interface DiskSpec {
  /** Its name in QEMU: a letter, then letters, digits and hyphens. */
  readonly id: string;
  /** The open file. */
  readonly descriptor: number;
  readonly format: "qcow2" | "raw";
  /**
   * The file of which a qcow2 disk stores only the changes. The name of that file in the disk is ignored, because a
   * hostile QEMU can write any name there.
   */
  readonly backing?: { readonly descriptor: number; readonly format: "qcow2" | "raw" } | undefined;
  /** The serial number by which the guest finds it: at most 20 bytes (virtio 1.2, 5.2.6: VIRTIO_BLK_ID_BYTES). */
  readonly serial: string;
  readonly readOnly: boolean;
}

/** A network interface as the guest gets it. */
export interface NicSpec {
  readonly id: string;
  /** The open tap. */
  readonly descriptor: number;
  readonly mac: string;
}

/**
 * The sockets that QEMU serves, as descriptors of listening unix sockets that it inherits. They take connections before
 * QEMU runs, so no client has to wait for a file to appear, and no path is too long.
 */
export interface SocketSpec {
  readonly monitors: readonly number[];
  /**
   * The sockets for ports of an agent, in the order of their numbers; none if the machine has no agent. The machine starts
   * with the first few ports, and gets the others when they are needed.
   */
  readonly agents: readonly number[];
}

/**
 * The complete description of one virtual machine: what QEMU's command line says, not how QEMU is started. QEMU runs as
 * a user that may open none of the machine's files, so each is a descriptor that it inherits.
 */
export interface MachineSpec {
  readonly name: string;
  readonly uuid: string;
  readonly type: MachineType;
  /** The type by its name in QEMU, which may have a version: `pc-q35-7.2`. */
  readonly board: string;
  /** How many slots there are for devices that are plugged while it runs; a microvm has none. */
  readonly slots: number;
  readonly accelerator: Accelerator;
  readonly cpuModel: string;
  readonly cpus: number;
  /** How many it can get while it runs. */
  readonly maxCpus: number;
  /** Bytes. */
  readonly memory: number;
  /** How many bytes it can get while it runs, a multiple of 128 MiB. 0: none. */
  readonly memoryGrowth: number;
  /** Two open files, which QEMU opens again by /proc. If absent, the firmware boots the first disk. */
  readonly kernel?: { readonly image: number; readonly initramfs: number; readonly commandLine: string } | undefined;
  readonly disks: readonly DiskSpec[];
  readonly nics: readonly NicSpec[];
  readonly sockets: SocketSpec;
}

/**
 * What a virtio device is called on this machine's bus: q35 has PCI, microvm has virtio-mmio (qemu,
 * docs/system/i386/microvm).
 */
export function virtioDevice(type: MachineType, name: string): string {
  return `virtio-${name}-${type === "q35" ? "pci" : "device"}`;
}
