import { SocketAddress } from "node:net";
import { isLimited } from "../model/egress.ts";
import { tableName } from "./names.ts";
import { renderChain, renderSet, renderTable } from "./nft-syntax.ts";
import { type Access, egressOf } from "./render-access.ts";
import { parseAddress } from "./subnet.ts";

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
    renderSet("ports", "ifname", [...ports(nics), ...unknown.map((port) => `"${port}"`)]),
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
  const arriving = [
    RESERVED,
    ...(unknown.length > 0 ? ["iifname @unknown drop"] : []),
    "iifname @filtered jump from_instance",
  ];
  const chains = [
    renderChain("prerouting", arriving, "filter hook prerouting priority filter"),
    renderChain("input", [RESERVED], "filter hook input priority filter"),
    ...CHAINS.map(([chain, rules]) => renderChain(chain, rules)),
    renderChain("from_dhcp_client", [...perNic(({ mac }) => `@th,288,48 ${hexadecimal(mac)}`), "drop"]),
    renderChain("from_neighbor", [...perNic(({ link }) => `@th,64,128 0x${link}`), "drop"]),
    renderChain("from_icmp_error", [
      "ip frag-off & 16383 != 0 drop",
      ...perNic(({ address }) => `@th,192,32 ${hexadecimal(parseAddress(address).toString(16))}`),
      "drop",
    ]),
    renderChain("from_icmpv6_error", [
      "exthdr frag exists drop",
      ...perNic(({ link }) => `@th,256,128 0x${link}`),
      "drop",
    ]),
    ...(limited.length > 0 ? [limitedChain(facts.mac)] : []),
    ...(isolated ? [renderChain("forward", APART, "filter hook forward priority filter")] : []),
  ];
  return renderTable("bridge", tableName(name), [...sets, ...chains]);
}

/**
 * Frames for the next bridge alone (IEEE 802.1D, table 7-10), whatever they carry. A bridge of Linux gives the host those
 * that it does not forward as if its port were an interface of the host; `input` sees them then, or no chain. Ours
 * forwards all but two, so that these rules see them: see `bridge.ts`. A pause, 01, ends in the driver or the bridge. 00
 * is a multicast like others as long as the bridge speaks no spanning tree protocol. The chains see the frames of all
 * bridges of the host: other ports are not ours.
 */
const RESERVED = "iifname @ports ether daddr 01:80:c2:00:00:01-01:80:c2:00:00:0f drop";

/**
 * A bridge of Linux snoops: whoever asks for the members of groups (RFC 2236, RFC 2710), or says that it is a router of
 * multicasts by PIM (RFC 7761) or an advertisement (RFC 4286), gets every multicast. From then on, others get only those
 * of the groups whose members it knows. nft has no name for that advertisement of ICMPv6,
 * and finds that of PIM only in /etc/protocols, which is not on every host.
 */
const [PIM, ROUTER_OF_GROUPS] = [103, 151] as const;

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
      // 28 bytes, and what fills the shortest frame. For Ethernet and IPv4, and a question or an answer.
      "meta length > 46 drop",
      "@nh,0,48 != 0x108000604 drop",
      "arp operation != { request, reply } drop",
      "iifname . arp saddr ether != @macs drop",
      "iifname . arp saddr ip @addresses accept",
      "arp saddr ip 0.0.0.0 iifname . arp daddr ip @addresses accept",
      "drop",
    ],
  ],
  [
    "from_ipv4",
    [
      "ip saddr 0.0.0.0 udp sport 68 udp dport 67 goto from_dhcp_client",
      "iifname . ip saddr != @addresses drop",
      "ether type ip igmp type { membership-report-v1, membership-report-v2, leave-group, membership-report-v3 } accept",
      `meta l4proto { igmp, ${PIM} } drop`,
      "udp dport 67 goto from_dhcp_client",
      "meta l4proto != { icmp, udp } accept",
      "ip frag-off & 8191 != 0 accept",
      "udp dport != 68 accept",
      "icmp type { destination-unreachable, source-quench, time-exceeded, parameter-problem } goto from_icmp_error",
      "icmp type != { redirect, router-advertisement } accept",
      "drop",
    ],
  ],
  [
    "from_ipv6",
    [
      "ip6 saddr :: icmpv6 type { mld-listener-report, mld2-listener-report } accept",
      "ip6 saddr :: icmpv6 type nd-neighbor-solicit goto from_neighbor",
      "iifname . ip6 saddr != @link_locals drop",
      "icmpv6 type nd-neighbor-advert goto from_neighbor",
      "meta l4proto != { udp, icmpv6 } accept",
      "frag frag-off != 0 accept",
      "udp dport != 546 accept",
      "icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } goto from_icmpv6_error",
      `icmpv6 type != { mld-listener-query, nd-router-advert, nd-redirect, ${ROUTER_OF_GROUPS} } accept`,
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

/** As nft(8) lists a number of these digits. */
function hexadecimal(digits: string): string {
  return `0x${digits.replaceAll(":", "").replace(/^0+/, "")}`;
}
