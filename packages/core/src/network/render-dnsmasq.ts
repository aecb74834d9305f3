import { parseSubnet, renderAddress, renderMask } from "./subnet.ts";

/** The facts for the server of a network. `name` is the bridge's. */
export interface DnsmasqFacts {
  readonly name: string;
  readonly ipv4: { readonly address: string };
  readonly dns: { readonly domain: string };
  /** Whether the host has a resolv.conf. Without one, the server knows only the instances' names. */
  readonly resolves: boolean;
  /**
   * The folder with `dns/`, and `dhcp/`, which the command line names; readable by the server's user. We choose its
   * path, so no character in it has a meaning to dnsmasq.
   */
  readonly served: string;
}

/**
 * The configuration file of a network's DHCP and DNS server. Option names are dnsmasq(8)'s.
 *
 * Like `bind-interfaces`, `bind-dynamic` listens on the bridge's addresses only and does not disturb other servers. But
 * it drops packets that did not arrive by the bridge: with `bind-interfaces`, instances of any other network could
 * query the bridge's address (CVE-2012-3411).
 */
export function renderDnsmasq(facts: DnsmasqFacts): string {
  const subnet = parseSubnet(facts.ipv4.address);
  const domain = facts.dns.domain;
  return `# Made by Pileus; changes are lost.
user=nobody
interface=${facts.name}
except-interface=lo
bind-dynamic

# DHCP: only a client with a reservation gets an address, and only that one. Hardware addresses alone tell clients apart.
dhcp-range=${renderAddress(subnet.first)},static,${renderMask(subnet)},infinite
dhcp-authoritative
dhcp-no-override
dhcp-ignore-clid
dhcp-ignore-names
quiet-dhcp

# DNS: the instances' names are answered here and never leave; the rest goes to the host's resolvers.
domain=${domain}
local=/${domain}/
hostsdir=${facts.served}/dns
expand-hosts
no-hosts
domain-needed
bogus-priv
${facts.resolves ? "" : "no-resolv\n"}`;
}

/** The facts that dnsmasq serves to one nic. */
export interface ServedNic {
  readonly mac: string;
  readonly address: string;
}

/**
 * The DHCP reservations of one instance: a file of `dhcp-hostsdir`. It omits the instance's name, because dnsmasq would
 * take a name like `ignore` or `30m` for a keyword or a lease time; clients get the name of the address in `hostsdir`.
 */
export function renderDhcpHosts(nics: readonly ServedNic[]): string {
  return nics.map((nic) => `${nic.mac},${nic.address},infinite\n`).join("");
}

/** The names of one instance: a file of `hostsdir`, in the form of hosts(5). `expand-hosts` adds the domain. */
export function renderDnsHosts(instance: string, nics: readonly ServedNic[]): string {
  return nics.map((nic) => `${nic.address} ${instance}\n`).join("");
}
