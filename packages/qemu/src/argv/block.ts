import { type DiskSpec, type MachineSpec, virtioDevice } from "./machine-spec.ts";
import { renderOption } from "./option.ts";

/** The disks, in the order in which the guest sees them. */
export function renderBlock(spec: MachineSpec): string[] {
  return spec.disks.flatMap((disk) => [
    "-blockdev",
    renderOption(undefined, {
      driver: disk.format,
      "node-name": disk.id,
      "read-only": disk.readOnly,
      // What the guest discards is given back to the host: files stay sparse.
      discard: disk.readOnly ? undefined : "unmap",
      "file.driver": "file",
      "file.filename": disk.path,
    }),
    "-device",
    renderOption(virtioDevice(spec.type, "blk"), {
      id: `${disk.id}-disk`,
      drive: disk.id,
      serial: checkedSerial(disk),
    }),
  ]);
}

function checkedSerial(disk: DiskSpec): string {
  if (Buffer.byteLength(disk.serial) > 20) throw new TypeError(`the serial of disk ${disk.id} is longer than 20 bytes`);
  return disk.serial;
}
