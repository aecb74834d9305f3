import { SocketAddress } from "node:net";
import { isLimited } from "../model/egress.ts";
import { tableName } from "./names.ts";
import { renderChain, renderSet, renderTable } from "./nft-syntax.ts";
import { type Access, egressOf } from "./render-access.ts";

/** A nic, as its reservation has it. */
export interface FilteredNic extends Access {
  readonly hostInterface: string;
  readonly mac: string;
  readonly address: string;
  /** Absent where the nic is filtered. */
  readonly filter?: false | undefined;
}

/** The facts for the filter of a network. `name` is the bridge's. */
export interface FilterFacts extends Access {
  readonly name: string;
  /** The MAC of the bridge. */
  readonly mac: string;
  readonly isolated: boolean;
  readonly nics: readonly FilteredNic[];
  /** Interfaces of ours on the bridge that no reservation names: nothing passes. */
  readonly unknown: readonly string[];
}

/**
 * The table that binds each nic to its MAC and addresses, by the port of the bridge at which a frame arrives. Frames of
 * the host itself, and of ports that are not ours, pass.
 *
 * An instance has two addresses: the reserved one, and the link-local one that follows from its MAC (RFC 4291, appendix
 * A). Before it has the first, it asks by DHCP, and by ARP whether another has the address (RFC 5227). Before it has the
 * second, it asks by IPv6 neighbour discovery from the unspecified address (RFC 4862). Receivers ignore fragmented
 * router advertisements (RFC 6980).
 *
 * nft 1.0.6 has no name for the target of an advertisement, bytes 8 to 23 of the message (RFC 4861), nor for the MAC in
 * a message of DHCP, bytes 28 to 33 after the 8 of UDP (RFC 2131). dnsmasq believes the latter: with another's, a client
 * could decline the address of a neighbour.
 */
export function renderFilterTable(facts: FilterFacts): string {
  const { name, isolated, nics, unknown } = facts;
  const filtered = nics.filter(({ filter }) => filter !== false).map((nic) => ({ ...nic, link: linkLocal(nic.mac) }));
  const limited = filtered.filter((nic) => isLimited(egressOf(nic, facts)));
  const elements = (value: (nic: (typeof filtered)[number]) => string) =>
    filtered.map((nic) => `"${nic.hostInterface}" . ${value(nic)}`);
  const ports = (some: readonly FilteredNic[]) => some.map(({ hostInterface }) => `"${hostInterface}"`);
  const perNic = (match: (nic: (typeof filtered)[number]) => string) =>
    filtered.map((nic) => `iifname "${nic.hostInterface}" ${match(nic)} accept`);
  const sets = [
    renderSet("filtered", "ifname", ports(filtered)),
    renderSet(
      "macs",
      "ifname . ether_addr",
      elements(({ mac }) => mac),
    ),
    renderSet(
      "addresses",
      "ifname . ipv4_addr",
      elements(({ address }) => address),
    ),
    renderSet(
      "link_locals",
      "ifname . ipv6_addr",
      elements(({ link }) => canonical(link)),
    ),
    ...(isolated || limited.length > 0 ? [renderSet("ports", "ifname", ports(nics))] : []),
    ...(limited.length > 0 ? limitedSets(limited) : []),
    ...(unknown.length > 0
      ? [
          renderSet(
            "unknown",
            "ifname",
            unknown.map((port) => `"${port}"`),
          ),
        ]
      : []),
  ];
  const arriving = [...(unknown.length > 0 ? ["iifname @unknown drop"] : []), "iifname @filtered jump from_instance"];
  const chains = [
    renderChain("prerouting", arriving, "filter hook prerouting priority filter"),
    ...CHAINS.map(([chain, rules]) => renderChain(chain, rules)),
    renderChain("from_dhcp_client", [...perNic(({ mac }) => `@th,288,48 ${hexadecimal(mac)}`), "drop"]),
    renderChain("from_neighbor", [
      "iifname . ip6 saddr != @link_locals drop",
      ...perNic(({ link }) => `@th,64,128 0x${link}`),
      "drop",
    ]),
    ...(limited.length > 0 ? [limitedChain(facts.mac)] : []),
    ...(isolated ? [renderChain("forward", APART, "filter hook forward priority filter")] : []),
  ];
  return renderTable("bridge", tableName(name), [...sets, ...chains]);
}

const CHAINS = [
  [
    "from_instance",
    [
      "iifname . ether saddr != @macs drop",
      "ether type vmap { ip : goto from_ipv4, arp : goto from_arp, ip6 : goto from_ipv6 }",
      "drop",
    ],
  ],
  [
    "from_arp",
    [
      "iifname . arp saddr ether != @macs drop",
      "arp saddr ip 0.0.0.0 accept",
      "iifname . arp saddr ip @addresses accept",
      "drop",
    ],
  ],
  [
    "from_ipv4",
    [
      "udp sport 67 drop",
      "ip saddr 0.0.0.0 udp sport 68 udp dport 67 goto from_dhcp_client",
      "iifname . ip saddr != @addresses drop",
      "udp dport 67 goto from_dhcp_client",
      "accept",
    ],
  ],
  [
    "from_ipv6",
    [
      "udp sport 547 drop",
      "icmpv6 type { nd-router-advert, nd-redirect } drop",
      "icmpv6 type nd-neighbor-advert goto from_neighbor",
      "iifname . ip6 saddr @link_locals accept",
      "ip6 saddr :: icmpv6 type { mld-listener-report, nd-neighbor-solicit, mld2-listener-report } accept",
      "drop",
    ],
  ],
] as const;

const APART = ["iifname @ports oifname @ports drop"];

function limitedSets(limited: readonly FilteredNic[]): readonly string[] {
  return [
    renderSet(
      "limited",
      "ifname",
      limited.map(({ hostInterface }) => `"${hostInterface}"`),
    ),
    renderSet(
      "limited_addresses",
      "ipv4_addr",
      limited.map(({ address }) => address),
    ),
  ];
}

/**
 * Hands what a nic with an egress policy sends to its neighbours, and what they send to it, to the host, as if the host
 * were their router: there the policy decides, with connections and with answers that the bridge alone may not have
 * (nf_conntrack_bridge, nft_reject_bridge). The host speaks no IPv6 on the bridge.
 */
function limitedChain(mac: string): string {
  const toHost = `ether daddr set ${mac} meta pkttype set host`;
  const rules = [
    `iifname @limited ether type ip ${toHost} accept`,
    "iifname @limited ether type ip6 drop",
    `iifname @ports ip daddr @limited_addresses ${toHost}`,
  ];
  return renderChain("by_host", rules, "filter hook prerouting priority filter + 1");
}

/** A script that removes the table, there or not. */
export function renderFilterRemoval(name: string): string {
  return `table bridge ${tableName(name)}\ndelete table bridge ${tableName(name)}\n`;
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

/** As nft(8) lists it. */
function hexadecimal(mac: string): string {
  return `0x${mac.replaceAll(":", "").replace(/^0+/, "")}`;
}
