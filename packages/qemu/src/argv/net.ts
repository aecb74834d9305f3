import { type MachineSpec, virtioDevice } from "./machine-spec.ts";
import { renderOption } from "./option.ts";

/** One virtio nic for each tap, which is already on its bridge. */
export function renderNet(spec: MachineSpec): string[] {
  return spec.nics.flatMap((nic) => [
    "-netdev",
    renderOption("tap", { id: nic.id, fd: nic.descriptor, vhost: false }),
    "-device",
    renderOption(virtioDevice(spec.type, "net"), {
      id: `${nic.id}-nic`,
      netdev: nic.id,
      mac: nic.mac,
      // The option ROM only serves to boot from the network.
      romfile: spec.type === "q35" ? "" : undefined,
    }),
  ]);
}
