import { broadcastAddress, type NicAttachment } from "@pileus/core/driver";
import type { ConfigEntry } from "./render.ts";

/**
 * The interfaces: each is a veth on its bridge. liblxc configures them, so that the container needs no program for it.
 * Without any interface, only loopback is there, and it is up.
 */
export function networkEntries(nics: readonly NicAttachment[]): readonly ConfigEntry[] {
  // liblxc brings loopback up together with an interface that is up. The type "empty" stands for no interface.
  if (nics.length === 0)
    return [
      ["lxc.net.0.type", "empty"],
      ["lxc.net.0.flags", "up"],
    ];
  return nics.flatMap((nic, index): ConfigEntry[] => [
    [`lxc.net.${index}.type`, "veth"],
    [`lxc.net.${index}.link`, nic.bridge],
    [`lxc.net.${index}.name`, nic.device],
    [`lxc.net.${index}.veth.pair`, nic.hostInterface],
    [`lxc.net.${index}.hwaddr`, nic.mac],
    [`lxc.net.${index}.flags`, "up"],
    // Without a broadcast address, liblxc sets one that has none of the network's bits: 0.0.0.255.
    [`lxc.net.${index}.ipv4.address`, `${nic.ipv4.address}/${nic.ipv4.prefix} ${broadcastAddress(nic.ipv4)}`],
    // One default route: the first nic's.
    ...(index === 0 ? [["lxc.net.0.ipv4.gateway", nic.ipv4.gateway] as const] : []),
  ]);
}
