import { tableName } from "./names.ts";
import { REJECT, renderChain, renderSet, renderTable } from "./nft-syntax.ts";
import { type Access, type AccessNic, accessRules } from "./render-access.ts";
import { parseSubnet, renderAddress, renderNetwork } from "./subnet.ts";

/**
 * Tells the other end of a connection how long its segments may be on the way to the host, as the host tells it for its own
 * connections: bridges have 1500 bytes, and an uplink often less (VPN, PPPoE, clouds). Otherwise segments that are too
 * long are lost wherever ICMP is dropped, and a TLS handshake hangs. Never raises the value (nft_exthdr.c).
 */
const SMALL_ENOUGH = "tcp flags syn tcp option maxseg size set rt mtu";

/** The facts for the rules of a network. `name` is the bridge's. */
export interface FirewallFacts extends Access {
  readonly name: string;
  readonly ipv4: { readonly address: string; readonly nat: boolean };
  readonly isolated: boolean;
  readonly nics: readonly AccessNic[];
  /** Interfaces of ours on the bridge that no reservation names. */
  readonly unknown: readonly string[];
}

/**
 * The rules of one network, as a script that `nft -f -` applies atomically, whatever the table had before.
 */
export function renderNftables(facts: FirewallFacts): string {
  return renderNftablesRemoval(facts.name) + renderNftablesTable(facts);
}

/**
 * The table of one network. All values come from schemas that allow no character with a meaning to nft.
 *
 * The host takes what arrives by the bridge, and never by the port of an instance: a port that lost its bridge, and a
 * bridge for some frames (see `bridge.ts`), would give it to the host as that of an interface without rules.
 *
 * The accepts matter if no other table's chain drops: an accept ends one chain, not all (nft(8), "verdict statement").
 * The first line of input and the third of forward drop packets that leave the bridge without an address of the network:
 * those are forged. DHCP clients also send packets to the host before they have an address. What the host's own rules
 * redirect to one of its ports passes, as it does in forward.
 * The second line of forward decides on packets that stay on the bridge: they pass here if br_netfilter is loaded, or if
 * an instance sends them by way of the host.
 */
export function renderNftablesTable(facts: FirewallFacts): string {
  const bridge = `"${facts.name}"`;
  const { nat } = facts.ipv4;
  const subnet = parseSubnet(facts.ipv4.address);
  const [network, gateway] = [renderNetwork(subnet), renderAddress(subnet.address)];
  const access = accessRules(facts, facts.nics);
  const input = [
    ...aboutOthers(network),
    `ip saddr != { 0.0.0.0, ${network} } drop`,
    "ct direction reply accept",
    "ct status dnat accept",
    "ip daddr 255.255.255.255 udp dport 67 accept",
    ...access.beforeDns,
    ...["udp dport 67", "udp dport 53", "tcp dport 53", "icmp type echo-request"].map(
      (what) => `ip daddr ${gateway} ${what} accept`,
    ),
    ...access.host,
  ];
  const from = [
    `oifname != ${bridge} ${SMALL_ENOUGH}`,
    ...aboutOthers(network),
    ...access.forward,
    `oifname ${bridge} ${facts.isolated ? "drop" : "accept"}`,
    `ip saddr != ${network} drop`,
    "accept",
  ];
  const into = nat ? ["ct state established,related accept", "ct status dnat accept", REJECT] : ["accept"];
  const forward = [
    ...from.map((rule) => `iifname ${bridge} ${rule}`),
    ...into.map((rule) => `oifname ${bridge} ${rule}`),
  ];
  const masquerade = [`ip saddr ${network} ip daddr != ${network} masquerade`];
  const ports = [...facts.nics.map(({ hostInterface }) => hostInterface), ...facts.unknown];
  const ownPorts = renderSet(
    "ports",
    "ifname",
    ports.map((port) => `"${port}"`),
  );
  const chains = [
    renderChain("by_port", ["iifname @ports drop"], "filter hook prerouting priority raw"),
    renderChain(
      "input",
      input.map((rule) => `iifname ${bridge} ${rule}`),
      "filter hook input priority filter",
    ),
    renderChain("forward", forward, "filter hook forward priority filter"),
    ...(nat ? [renderChain("postrouting", masquerade, "nat hook postrouting priority srcnat")] : []),
    ...access.chains,
  ];
  return renderTable("inet", tableName(facts.name), [ownPorts, ...access.sets, ...chains]);
}

/**
 * Drops ICMP errors about connections in which the network has no part. The kernel finds the connection by the packet
 * that an error quotes, which anybody can write, and calls the error a part of it: it would pass as a reply, to the host
 * or beyond, and end the connection. An error comes from the side to which the quoted packet went.
 */
function aboutOthers(network: string): readonly string[] {
  return ["reply", "original"].map(
    (side) => `ct state related ct direction ${side} ct ${side} ip saddr != ${network} drop`,
  );
}

/**
 * A script that removes the table if it exists: the first line makes a missing table, so that the second cannot fail.
 */
export function renderNftablesRemoval(name: string): string {
  return `table inet ${tableName(name)}\ndelete table inet ${tableName(name)}\n`;
}
