/**
 * A label that looks like a number. Alone, inet_aton(3) reads it as an address; as the last label of a host name, it
 * makes a URL parser read the host as an address (WHATWG URL, 3.5).
 */
const NUMBER = /^(?:[0-9]+|0x[0-9a-f]*)$/;

/** Names that `/etc/hosts` of Debian, Fedora and openSUSE has for the loopback interface and IPv6 multicast. */
const IN_HOSTS =
  /^(?:localhost[46]?|ip(?:v?6)-(?:localhost|loopback|localnet|mcastprefix|allnodes|allrouters|allhosts))$/;

/** Why no resolver asks DNS for a label as a host name; `undefined` when resolvers do. */
export function whyNeverResolved(label: string): string | undefined {
  if (NUMBER.test(label)) return `resolvers read "${label}" as a number, and so as an address`;
  if (IN_HOSTS.test(label)) return `/etc/hosts of every system has "${label}"`;
  return undefined;
}

/** As {@link whyNeverResolved}, for a domain. All names below `localhost` are the loopback's: RFC 6761, 6.3. */
export function whyNothingResolvesIn(domain: string): string | undefined {
  const last = domain.slice(domain.lastIndexOf(".") + 1);
  if (NUMBER.test(last)) return `resolvers read names that end in "${last}" as addresses`;
  return last === "localhost" ? "every name below localhost is the loopback address" : undefined;
}
