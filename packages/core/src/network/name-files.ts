import type { NicAttachment } from "../contract/nic-attachment.ts";

/** hosts(5) for a system without its own. */
export const STANDARD_HOSTS = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n";

/**
 * hosts(5): the earlier text, and the instance's name at its addresses. The full name comes first: `hostname -f` and
 * the network's own DNS return it. Of a name that the instance had before, the lines of this function go: another
 * instance may have it now.
 */
export function renderHosts(name: string, nics: readonly Pick<NicAttachment, "ipv4" | "dns">[], before = ""): string {
  const ours = nics.map(({ ipv4, dns }) => [`${ipv4.address} `, `.${dns.domain} `] as const);
  const kept = before.split("\n").filter((line) => !ours.some((facts) => isOfFormerName(line, facts)));
  const standard = before.trim() === "" ? STANDARD_HOSTS : kept.join("\n");
  const lines = nics.map(({ ipv4, dns }) => `${ipv4.address} ${name}.${dns.domain} ${name}\n`);
  return `${standard.replace(/\n*$/, "\n")}${nics.length === 0 ? `127.0.1.1 ${name}\n` : lines.join("")}`;
}

/** Whether it is `ADDRESS NAME.DOMAIN NAME`, with that address and that domain. */
function isOfFormerName(line: string, [address, domain]: readonly [string, string]): boolean {
  const [former = "", again] = line.startsWith(address) ? line.slice(address.length).split(domain) : [];
  return former !== "" && former === again;
}

/** resolv.conf(5): the C libraries read three servers at most. */
export function renderResolvConf(nics: readonly Pick<NicAttachment, "dns">[]): string {
  const servers = [...new Set(nics.flatMap(({ dns }) => dns.servers))].slice(0, 3);
  const domains = [...new Set(nics.map(({ dns }) => dns.domain))];
  return [`search ${domains.join(" ")}`, ...servers.map((server) => `nameserver ${server}`), ""].join("\n");
}
