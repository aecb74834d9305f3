/**
 * Of a label: inet_aton(3) reads it, alone, as an address; the last of a name makes a URL's host one (WHATWG URL, 3.5).
 */
const NUMBER = /^(?:[0-9]+|0x[0-9a-f]*)$/;

/** What `/etc/hosts` of Debian, Fedora and openSUSE gives to the loopback interface and to groups of IPv6. */
const IN_HOSTS =
  /^(?:localhost[46]?|ip(?:v?6)-(?:localhost|loopback|localnet|mcastprefix|allnodes|allrouters|allhosts))$/;

/** Why no resolver asks DNS for a label as a host's name; `undefined` when it does. */
export function whyNeverResolved(label: string): string | undefined {
  if (NUMBER.test(label)) return `resolvers take "${label}" for a number, and so for an address`;
  if (IN_HOSTS.test(label)) return `"${label}" is in /etc/hosts of every system`;
  return undefined;
}

/** As {@link whyNeverResolved}, of a domain. RFC 6761, section 6.3: all names below `localhost` are the loopback's. */
export function whyNothingResolvesIn(domain: string): string | undefined {
  const last = domain.slice(domain.lastIndexOf(".") + 1);
  if (NUMBER.test(last)) return `resolvers take names that end in "${last}" for addresses`;
  return last === "localhost" ? "every name below localhost is the loopback address" : undefined;
}
