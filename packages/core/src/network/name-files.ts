import type { NicAttachment } from "./attachment.ts";

/** hosts(5) for a system without its own. */
export const STANDARD_HOSTS = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n";

/**
 * hosts(5): the earlier text, and the instance's name at its addresses. The full name comes first: `hostname -f` and
 * the network's own DNS return it.
 */
export function renderHosts(name: string, nics: readonly Pick<NicAttachment, "ipv4" | "dns">[], before = ""): string {
  const standard = before.trim() === "" ? STANDARD_HOSTS : before;
  const lines = nics.map(({ ipv4, dns }) => `${ipv4.address} ${name}.${dns.domain} ${name}\n`);
  return `${standard.replace(/\n*$/, "\n")}${nics.length === 0 ? `127.0.1.1 ${name}\n` : lines.join("")}`;
}

/** resolv.conf(5): the C libraries read three servers at most. */
export function renderResolvConf(nics: readonly Pick<NicAttachment, "dns">[]): string {
  const servers = [...new Set(nics.flatMap(({ dns }) => dns.servers))].slice(0, 3);
  const domains = [...new Set(nics.map(({ dns }) => dns.domain))];
  return [`search ${domains.join(" ")}`, ...servers.map((server) => `nameserver ${server}`), ""].join("\n");
}
