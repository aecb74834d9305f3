/** The kind of computer that QEMU shows to a guest: a PC with PCI, or the minimum that Linux boots on. */
export type MachineType = "q35" | "microvm";
/** What runs the guest's instructions: the processor, or QEMU's emulation of one. */
export type Accelerator = "kvm" | "tcg";

/** A disk as the guest gets it. */
export interface DiskSpec {
  /** Its name in QEMU: a letter, then letters, digits and hyphens. */
  readonly id: string;
  readonly path: string;
  readonly format: "qcow2" | "raw";
  /** The serial number by which the guest finds it: at most 20 bytes (virtio 1.2, 5.2.6: VIRTIO_BLK_ID_BYTES). */
  readonly serial: string;
  readonly readOnly: boolean;
}

/** A network interface as the guest gets it. */
export interface NicSpec {
  readonly id: string;
  /** An existing tap interface. */
  readonly tap: string;
  readonly mac: string;
}

/**
 * The sockets that QEMU serves, as descriptors of listening unix sockets that it inherits. They take connections before
 * QEMU runs, so no client has to wait for a file to appear, and no path is too long.
 */
export interface SocketSpec {
  readonly monitors: readonly number[];
  readonly console: number;
  /** If absent, the machine has no port for an agent. */
  readonly agent?: { readonly descriptor: number; readonly port: string } | undefined;
}

/** The complete description of one virtual machine: what QEMU's command line says, not how QEMU is started. */
export interface MachineSpec {
  readonly name: string;
  readonly uuid: string;
  readonly type: MachineType;
  readonly accelerator: Accelerator;
  readonly cpuModel: string;
  readonly cpus: number;
  /** Bytes. */
  readonly memory: number;
  /** If absent, the firmware boots the first disk. */
  readonly kernel?: { readonly image: string; readonly initramfs: string; readonly commandLine: string } | undefined;
  readonly disks: readonly DiskSpec[];
  readonly nics: readonly NicSpec[];
  readonly sockets: SocketSpec;
  /** The file that receives every byte of the serial console since this start. */
  readonly consoleLog: string;
  readonly pidFile: string;
}

/**
 * What a virtio device is called on this machine's bus: q35 has PCI, microvm has virtio-mmio (qemu,
 * docs/system/i386/microvm).
 */
export function virtioDevice(type: MachineType, name: string): string {
  return `virtio-${name}-${type === "q35" ? "pci" : "device"}`;
}
