import type { Device, Devices } from "../model/device/device.ts";
import type { Nic } from "../model/device/nic.ts";

/** The nics by their networks, both sorted, so that every process takes the locks of several in the same order. */
export function byNetwork(devices: Devices): ReadonlyMap<string, readonly (readonly [string, Nic])[]> {
  const nics = Object.entries(devices).filter((entry): entry is [string, Device & Nic] => entry[1].type === "nic");
  const names = [...new Set(nics.map(([, nic]) => nic.network))].sort();
  return new Map(
    names.map((name) => [name, nics.filter(([, nic]) => nic.network === name).sort(([a], [b]) => (a < b ? -1 : 1))]),
  );
}
