import { tableName } from "./names.ts";
import { REJECT, renderChain, renderTable } from "./nft-syntax.ts";
import { type Access, type AccessNic, accessRules } from "./render-access.ts";
import { parseSubnet, renderAddress, renderNetwork } from "./subnet.ts";

/** The facts for the rules of a network. `name` is the bridge's. */
export interface FirewallFacts extends Access {
  readonly name: string;
  readonly ipv4: { readonly address: string; readonly nat: boolean };
  readonly isolated: boolean;
  readonly nics: readonly AccessNic[];
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
    `ip saddr != { 0.0.0.0, ${network} } drop`,
    "ct direction reply accept",
    "ct status dnat accept",
    "udp dport 67 accept",
    ...access.beforeDns,
    ...["udp dport 53", "tcp dport 53", "icmp type echo-request"].map((what) => `ip daddr ${gateway} ${what} accept`),
    ...access.host,
  ];
  const from = [
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
  const chains = [
    renderChain(
      "input",
      input.map((rule) => `iifname ${bridge} ${rule}`),
      "filter hook input priority filter",
    ),
    renderChain("forward", forward, "filter hook forward priority filter"),
    ...(nat ? [renderChain("postrouting", masquerade, "nat hook postrouting priority srcnat")] : []),
    ...access.chains,
  ];
  return renderTable("inet", tableName(facts.name), [...access.sets, ...chains]);
}

/**
 * A script that removes the table if it exists: the first line makes a missing table, so that the second cannot fail.
 */
export function renderNftablesRemoval(name: string): string {
  return `table inet ${tableName(name)}\ndelete table inet ${tableName(name)}\n`;
}
