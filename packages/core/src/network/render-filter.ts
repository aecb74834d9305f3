import { SocketAddress } from "node:net";
import { tableName } from "./names.ts";

/** A nic, as its reservation has it. */
export interface FilteredNic {
  readonly hostInterface: string;
  readonly mac: string;
  readonly address: string;
  /** Absent where the nic is filtered. */
  readonly filter?: false | undefined;
}

/** The facts for the filter of a network. `name` is the bridge's. */
export interface FilterFacts {
  readonly name: string;
  readonly isolated: boolean;
  readonly nics: readonly FilteredNic[];
}

/**
 * The table that binds each nic to its MAC and addresses, by the port of the bridge at which a frame arrives. Frames of
 * the host itself, and of other ports, pass.
 *
 * An instance has two addresses: the reserved one, and the link-local one that follows from its MAC (RFC 4291, appendix
 * A). Before it has the first, it asks by DHCP, and by ARP whether another has the address (RFC 5227). Before it has the
 * second, it asks by IPv6 neighbour discovery from the unspecified address (RFC 4862). Receivers ignore fragmented
 * router advertisements (RFC 6980).
 *
 * The target of an advertisement is bytes 8 to 23 of the message (RFC 4861): nft 1.0.6 has no name for it.
 */
export function renderFilterTable({ name, isolated, nics }: FilterFacts): string {
  const filtered = nics.filter(({ filter }) => filter !== false).map((nic) => ({ ...nic, link: linkLocal(nic.mac) }));
  const elements = (value: (nic: (typeof filtered)[number]) => string) =>
    filtered.map((nic) => `"${nic.hostInterface}" . ${value(nic)}`);
  const ports = (some: readonly FilteredNic[]) => some.map(({ hostInterface }) => `"${hostInterface}"`);
  const targets = filtered.map(
    ({ hostInterface, link }) => `    iifname "${hostInterface}" @th,64,128 0x${link} accept\n`,
  );
  return `table bridge ${tableName(name)} {
${renderSet("filtered", "ifname", ports(filtered))}
${renderSet(
  "macs",
  "ifname . ether_addr",
  elements(({ mac }) => mac),
)}
${renderSet(
  "addresses",
  "ifname . ipv4_addr",
  elements(({ address }) => address),
)}
${renderSet(
  "link_locals",
  "ifname . ipv6_addr",
  elements(({ link }) => canonical(link)),
)}
${isolated ? `${renderSet("ports", "ifname", ports(nics))}\n` : ""}  chain prerouting {
    type filter hook prerouting priority filter; policy accept;
    iifname @filtered jump from_instance
  }

  chain from_instance {
    iifname . ether saddr != @macs drop
    ether type vmap { ip : goto from_ipv4, arp : goto from_arp, ip6 : goto from_ipv6 }
    drop
  }

  chain from_arp {
    iifname . arp saddr ether != @macs drop
    arp saddr ip 0.0.0.0 accept
    iifname . arp saddr ip @addresses accept
    drop
  }

  chain from_ipv4 {
    udp sport 67 drop
    iifname . ip saddr @addresses accept
    ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept
    drop
  }

  chain from_ipv6 {
    udp sport 547 drop
    icmpv6 type { nd-router-advert, nd-redirect } drop
    icmpv6 type nd-neighbor-advert goto from_neighbor
    iifname . ip6 saddr @link_locals accept
    ip6 saddr :: icmpv6 type { mld-listener-report, nd-neighbor-solicit, mld2-listener-report } accept
    drop
  }

  chain from_neighbor {
    iifname . ip6 saddr != @link_locals drop
${targets.join("")}    drop
  }
${isolated ? APART : ""}}
`;
}

const APART = `
  chain forward {
    type filter hook forward priority filter; policy accept;
    iifname @ports oifname @ports drop
  }
`;

/** A script that removes the table, there or not. */
export function renderFilterRemoval(name: string): string {
  return `table bridge ${tableName(name)}\ndelete table bridge ${tableName(name)}\n`;
}

/** nft accepts no empty list of elements. It lists them in an order of its own. */
function renderSet(name: string, type: string, elements: readonly string[]): string {
  const list = elements.length === 0 ? "" : `    elements = { ${elements.join(", ")} }\n`;
  return `  set ${name} {
    type ${type}
${list}  }
`;
}

/** The link-local address that follows from a MAC (RFC 4291, appendix A), as 32 hexadecimal digits. */
function linkLocal(mac: string): string {
  const [first = "", b = "", c = "", d = "", e = "", f = ""] = mac.split(":");
  const a = (Number.parseInt(first, 16) ^ 2).toString(16).padStart(2, "0");
  return `fe80000000000000${a}${b}${c}fffe${d}${e}${f}`;
}

/** As inet_ntop(3) writes it. */
function canonical(digits: string): string {
  return new SocketAddress({ address: (digits.match(/.{4}/g) ?? []).join(":"), family: "ipv6" }).address;
}
