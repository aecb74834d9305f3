import { tableName } from "./names.ts";
import { parseSubnet, renderNetwork } from "./subnet.ts";

/** What the rules of a network depend on. `name` is the bridge's. */
export interface FirewallFacts {
  readonly name: string;
  readonly "ipv4.address": string;
  readonly "ipv4.nat": boolean;
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
 * statement").
 */
export function renderNftablesTable(facts: FirewallFacts): string {
  const bridge = `"${facts.name}"`;
  const network = renderNetwork(parseSubnet(facts["ipv4.address"]));
  const nat = `
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr ${network} ip daddr != ${network} masquerade
  }
`;
  return `table inet ${tableName(facts.name)} {
  chain input {
    type filter hook input priority filter; policy accept;
    iifname ${bridge} udp dport { 53, 67 } accept
    iifname ${bridge} tcp dport 53 accept
  }

  chain forward {
    type filter hook forward priority filter; policy accept;
    iifname ${bridge} accept
    oifname ${bridge} accept
  }
${facts["ipv4.nat"] ? nat : ""}}
`;
}

/**
 * A script that removes the table, there or not: the first line makes it where it is missing, so that the second cannot
 * fail.
 */
export function renderNftablesRemoval(name: string): string {
  return `table inet ${tableName(name)}\ndelete table inet ${tableName(name)}\n`;
}
