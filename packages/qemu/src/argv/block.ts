import { addDescriptor, setOf } from "./descriptor.ts";
import { type DiskSpec, type MachineSpec, virtioDevice } from "./machine-spec.ts";
import { renderOption } from "./option.ts";

/** The disks, in the order in which the guest sees them. */
export function renderBlock(spec: MachineSpec): string[] {
  return spec.disks.flatMap((disk) => [
    ...renderBacking(disk),
    ...addDescriptor(disk.descriptor),
    "-blockdev",
    renderOption(undefined, {
      driver: disk.format,
      "node-name": disk.id,
      "read-only": disk.readOnly,
      // What the guest discards is given back to the host: files stay sparse.
      discard: disk.readOnly ? undefined : "unmap",
      backing: disk.backing && backingOf(disk),
      "file.driver": "file",
      "file.filename": setOf(disk.descriptor),
    }),
    "-device",
    renderOption(virtioDevice(spec.type, "blk"), {
      id: `${disk.id}-disk`,
      drive: disk.id,
      serial: checkedSerial(disk),
    }),
  ]);
}

function renderBacking(disk: DiskSpec): string[] {
  const { backing } = disk;
  if (backing === undefined) return [];
  return [
    ...addDescriptor(backing.descriptor),
    "-blockdev",
    renderOption(undefined, {
      driver: backing.format,
      "node-name": backingOf(disk),
      "read-only": true,
      "file.driver": "file",
      "file.filename": setOf(backing.descriptor),
    }),
  ];
}

function backingOf(disk: DiskSpec): string {
  return `${disk.id}-backing`;
}

function checkedSerial(disk: DiskSpec): string {
  if (Buffer.byteLength(disk.serial) > 20) throw new TypeError(`the serial of disk ${disk.id} is longer than 20 bytes`);
  return disk.serial;
}
