import type { NicAttachment } from "@pileus/core/driver";
import type { ConfigEntry } from "./render.ts";

/**
 * The interfaces: each a veth on its bridge, configured by liblxc, so that nothing inside is needed. Without any:
 * loopback alone, which is up.
 */
export function networkEntries(nics: readonly NicAttachment[]): readonly ConfigEntry[] {
  // liblxc brings loopback up with the interface that is up: that of type empty stands for none.
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
    [`lxc.net.${index}.ipv4.address`, `${nic.ipv4.address}/${nic.ipv4.prefix}`],
    // One default route: the first nic's.
    ...(index === 0 ? [["lxc.net.0.ipv4.gateway", nic.ipv4.gateway] as const] : []),
  ]);
}
