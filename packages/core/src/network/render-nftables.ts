import { tableName } from "./names.ts";
import { parseSubnet, renderNetwork } from "./subnet.ts";

/** The facts for the rules of a network. `name` is the bridge's. */
export interface FirewallFacts {
  readonly name: string;
  readonly ipv4: { readonly address: string; readonly nat: boolean };
  readonly isolated: boolean;
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
 * The accepts matter if no other table's chain drops: an accept ends one chain, not all (nft(8), "verdict statement").
 * In forward, the first line decides on packets that stay on the bridge; they pass here if br_netfilter is loaded, or if
 * an instance sends them by way of the host.
 * The second drops packets that leave the bridge without an address of the network: those are forged. DHCP clients also
 * send packets to the host before they have an address.
 */
export function renderNftablesTable(facts: FirewallFacts): string {
  const bridge = `"${facts.name}"`;
  const network = renderNetwork(parseSubnet(facts.ipv4.address));
  const into = facts.ipv4.nat
    ? `oifname ${bridge} ct state established,related accept
    oifname ${bridge} ct status dnat accept
    oifname ${bridge} reject with icmpx admin-prohibited`
    : `oifname ${bridge} accept`;
  const nat = `
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr ${network} ip daddr != ${network} masquerade
  }
`;
  return `table inet ${tableName(facts.name)} {
  chain input {
    type filter hook input priority filter; policy accept;
    iifname ${bridge} ip saddr != { 0.0.0.0, ${network} } drop
    iifname ${bridge} udp dport { 53, 67 } accept
    iifname ${bridge} tcp dport 53 accept
  }

  chain forward {
    type filter hook forward priority filter; policy accept;
    iifname ${bridge} oifname ${bridge} ${facts.isolated ? "drop" : "accept"}
    iifname ${bridge} ip saddr != ${network} drop
    iifname ${bridge} accept
    ${into}
  }
${facts.ipv4.nat ? nat : ""}}
`;
}

/**
 * A script that removes the table if it exists: the first line makes a missing table, so that the second cannot fail.
 */
export function renderNftablesRemoval(name: string): string {
  return `table inet ${tableName(name)}\ndelete table inet ${tableName(name)}\n`;
}
