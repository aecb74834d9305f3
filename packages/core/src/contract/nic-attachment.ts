/** A nic's place on a managed network: reserved at create, the same until delete. */
export interface NicAttachment {
  /** The device's name in the configuration; the interface's inside a container. */
  readonly device: string;
  /** The network's name. */
  readonly network: string;
  /** The bridge on the host to join. */
  readonly bridge: string;
  /** The name for the host's end (veth or tap), unique on this machine. */
  readonly hostInterface: string;
  /** Lower case, colon-separated. */
  readonly mac: string;
  /** DHCP hands out exactly this; a driver that configures the interface itself uses the same. */
  readonly ipv4: { readonly address: string; readonly prefix: number; readonly gateway: string };
  /** Resolvers to name in resolv.conf, and the search domain in which instances' names resolve. */
  readonly dns: { readonly servers: readonly string[]; readonly domain: string };
}
