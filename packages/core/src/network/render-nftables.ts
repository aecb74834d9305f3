import { tableName } from "./names.ts";
import { parseSubnet, renderNetwork } from "./subnet.ts";

/** What the rules of a network depend on. `name` is the bridge's. */
export interface FirewallFacts {
  readonly name: string;
  readonly ipv4: { readonly address: string; readonly nat: boolean };
}

/**
 * The rules of one network, as a script that `nft -f -` applies as a whole or not at all, whatever the table had
 * before.
 */
export function renderNftables(facts: FirewallFacts): string {
  return renderNftablesRemoval(facts.name) + renderNftablesTable(facts);
}

/**
 * The table of one network. All values come from schemas that allow no character with a meaning to nft.
 *
 * The accepts matter where another table's chain does not drop: an accept ends one chain, not all (nft(8), "verdict
 * statement"). So do the first two lines of forward: what stays on the bridge comes by here only where br_netfilter is
 * loaded, and is nobody's business; what leaves it has an address of the network, or is forged. To the host itself, DHCP
 * clients also speak before they have an address.
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
    iifname ${bridge} oifname ${bridge} accept
    iifname ${bridge} ip saddr != ${network} drop
    iifname ${bridge} accept
    ${into}
  }
${facts.ipv4.nat ? nat : ""}}
`;
}

/**
 * A script that removes the table, there or not: the first line makes it where it is missing, so that the second cannot
 * fail.
 */
export function renderNftablesRemoval(name: string): string {
  return `table inet ${tableName(name)}\ndelete table inet ${tableName(name)}\n`;
}
