import { isIPv4, isIPv6, SocketAddress } from "node:net";
import { z } from "zod";
import type { Frozen, Holds, Same } from "../terms/same.ts";
import { networkAddress } from "./network-address.ts";
import { type PortRange, readPortRange } from "./port-range.ts";
import { objectAs } from "./wording.ts";

/**
 * Where the instance may open connections to, beyond the host. A destination is an address or a CIDR, then a port or a
 * range of ports, then a protocol; the last two can be left out: `"10.0.0.0/8:5432"` (tcp), `"1.1.1.1:53/udp"`,
 * `"192.0.2.7:8000-8099"`, `"[2001:db8::/32]:443"`, `"10.0.0.0/8/icmp"`, `"192.0.2.0/24"` (every port and protocol).
 * Names are not resolved. Protocols are tcp, udp, sctp and icmp.
 */
export interface EgressInput {
  /** The only destinations that are allowed; `[]` for none. Default: all that `deny` does not name. */
  readonly allow?: readonly string[] | undefined;
  /** Destinations that are refused, also where `allow` has them. Default none. */
  readonly deny?: readonly string[] | undefined;
  /**
   * Whether the network's DNS server answers. It asks the host's resolvers, so what a program asks for can leave the
   * machine whatever `allow` says. Default true.
   */
  readonly dns?: boolean | undefined;
}

/** A destination of {@link EgressInput}, read. */
export interface Destination {
  readonly family: "ip" | "ip6";
  /** The address, of hosts or of a network. */
  readonly address: string;
  /** Bits. */
  readonly prefix: number;
  /** Absent: every protocol. */
  readonly protocol?: "tcp" | "udp" | "sctp" | "icmp" | undefined;
  /** Absent: every port. */
  readonly ports?: PortRange | undefined;
}

const FORM =
  /^(?:\[(?<bracketed>[^\]]*)\]|(?<ipv4>[0-9.]+(?:\/\d+)?)|(?<ipv6>[0-9a-fA-F:.]*:[0-9a-fA-F:.]*(?:\/\d+)?))(?::(?<first>\d{1,5})(?:-(?<last>\d{1,5}))?)?(?:\/(?<protocol>[a-z]+))?$/;
const EXAMPLES = 'as in "10.0.0.0/8:5432", "1.1.1.1:53/udp" or "[2001:db8::/32]:443"';

/** Reads a destination of {@link EgressInput}. Returns the problem, in words, if it is not one. */
export function readDestination(text: string): Destination | string {
  const { bracketed, ipv4, ipv6, first, last, protocol } = FORM.exec(text)?.groups ?? {};
  const host = readHost(bracketed ?? ipv4 ?? ipv6 ?? "", ipv4 === undefined ? "ip6" : "ip");
  if (typeof host === "string") return host;
  if (protocol !== undefined && !isProtocol(protocol))
    return `the protocol must be tcp, udp, sctp or icmp, not ${protocol}`;
  if (first === undefined) return protocol === undefined ? host : { ...host, protocol };
  if (protocol === "icmp") return "icmp has no ports";
  const ports = readPortRange(first, last);
  return typeof ports === "string" ? ports : { ...host, protocol: protocol ?? "tcp", ports };
}

function readHost(text: string, family: Destination["family"]): Destination | string {
  if (text === "")
    return `is not a destination: write an address (names are not resolved), a port and a protocol, ${EXAMPLES}`;
  const bits = family === "ip" ? 32 : 128;
  const [written = "", length = `${bits}`] = text.split("/");
  const isAddress = family === "ip" ? isIPv4(written) : isIPv6(written) && !written.includes("%");
  if (!isAddress) return `${written} is not an ${family === "ip" ? "IPv4" : "IPv6"} address`;
  if (!/^\d{1,3}$/.test(length) || Number(length) > bits) return `the prefix must be a number of bits, at most ${bits}`;
  // Lower case, as nft(8) lists it.
  const { address } = new SocketAddress({ address: written, family: family === "ip" ? "ipv4" : "ipv6" });
  return { family, address, prefix: Number(length) };
}

function isProtocol(word: string): word is NonNullable<Destination["protocol"]> {
  return ["tcp", "udp", "sctp", "icmp"].includes(word);
}

const DestinationSchema = z.string().superRefine((text, issues) => {
  const read = readDestination(text);
  if (typeof read === "string") issues.addIssue({ code: "custom", message: `"${text}": ${read}` });
});

// Every new connection is compared with each entry in turn.
const DestinationsSchema = z.array(DestinationSchema).max(256).readonly();

/** Reads {@link EgressInput}. */
export const EgressSchema = z.strictObject(
  {
    allow: DestinationsSchema.optional(),
    deny: DestinationsSchema.optional(),
    dns: z.boolean().optional(),
  },
  objectAs('{ allow: ["10.0.0.0/8:5432"] }'),
);
type _EgressInput = Holds<Same<EgressInput, Frozen<z.input<typeof EgressSchema>>>>;

/**
 * Adds the issues of what a caller writes: a destination with an address within its network is one mistake of two. Files
 * of earlier releases may have it: there the prefix counts.
 */
export function refineEgress(egress: EgressInput | undefined, issues: z.RefinementCtx): void {
  for (const key of ["allow", "deny"] as const)
    for (const [index, text] of (egress?.[key] ?? []).entries()) {
      const message = whyInexact(text);
      if (message !== undefined) issues.addIssue({ code: "custom", path: ["egress", key, index], message });
    }
}

function whyInexact(text: string): string | undefined {
  const read = readDestination(text);
  if (typeof read === "string") return undefined;
  const { address, family, prefix } = read;
  const network = networkAddress(address, family, prefix);
  if (network === address) return undefined;
  return `"${text}": ${address} is an address within a network of ${prefix} bits: write ${network}/${prefix} for the network, or ${address} for the address`;
}

/** Whether a policy refuses any destination. */
export function isLimited(egress: EgressInput | undefined): boolean {
  return egress?.allow !== undefined || (egress?.deny ?? []).length > 0;
}
