import { type Destination, type EgressInput, isLimited, readDestination } from "../model/egress.ts";
import { type HostAccessInput, readHostPorts } from "../model/host-access.ts";
import { renderPortRange } from "../model/port-range.ts";
import { REJECT, renderChain, renderSet, renderVerdicts } from "./nft-syntax.ts";

/** What a network, or a nic in place of its network, allows: destinations beyond the host, and ports of the host. */
export interface Access {
  readonly egress?: EgressInput | undefined;
  readonly host?: HostAccessInput | undefined;
}

/** A nic, as its reservation has it. */
export interface AccessNic extends Access {
  readonly hostInterface: string;
  readonly address: string;
}

/** The parts that access adds to the table of a network. Rules are for packets that arrive by the bridge. */
export interface AccessRules {
  readonly sets: readonly string[];
  /** For the host itself: first those before its DNS server answers, then those after. */
  readonly beforeDns: readonly string[];
  readonly host: readonly string[];
  /** For what the host forwards. */
  readonly forward: readonly string[];
  readonly chains: readonly string[];
}

/** Refuses at once: the kernel sends no more than one ICMP error a second to one sender (icmp(7)), but every reset. */
const REFUSE = "goto refuse";

/** The rules of access of a network and of its nics, which are found by their addresses. */
export function accessRules(network: Access, nics: readonly AccessNic[]): AccessRules {
  const egress = nics.flatMap((nic) => (nic.egress === undefined ? [] : [{ ...nic, policy: nic.egress }]));
  const hosts = nics.flatMap((nic) => (nic.host === undefined ? [] : [{ ...nic, policy: nic.host }]));
  const silent = nics.filter((nic) => egressOf(nic, network)?.dns === false).map(({ address }) => address);
  const verdicts = (policy: string, of: readonly AccessNic[]) => {
    const elements = of.map((nic) => `${nic.address} : goto ${chainOf(policy, nic)}`);
    return when(of.length > 0, renderVerdicts(`${policy}_of`, "ipv4_addr", elements));
  };
  const find = [
    ...when(egress.length > 0, "ip saddr vmap @egress_of"),
    ...when(network.egress !== undefined, "goto egress_of_network"),
  ];
  return {
    sets: [
      ...verdicts("egress", egress),
      ...verdicts("host", hosts),
      ...when(silent.length > 0, renderSet("without_dns", "ipv4_addr", silent)),
    ],
    beforeDns: when(silent.length > 0, `ip saddr @without_dns meta l4proto { tcp, udp } th dport 53 ${REFUSE}`),
    host: [...when(hosts.length > 0, "ip saddr vmap @host_of"), ...hostRules(network.host)],
    forward: when(find.length > 0, "jump find_egress"),
    chains: [
      renderChain("refuse", ["meta l4proto tcp reject with tcp reset", REJECT]),
      ...when(find.length > 0, renderChain("find_egress", find)),
      ...when(network.egress !== undefined, renderChain("egress_of_network", egressRules(network.egress))),
      ...egress.map((nic) => renderChain(chainOf("egress", nic), egressRules(nic.policy))),
      ...hosts.map((nic) => renderChain(chainOf("host", nic), hostRules(nic.policy))),
    ],
  };
}

/** The egress policy of a nic: the network's, unless it has its own. */
export function egressOf(nic: Access, network: Access): EgressInput | undefined {
  return nic.egress ?? network.egress;
}

function chainOf(policy: string, { hostInterface }: AccessNic): string {
  return `${policy}_${hostInterface}`;
}

/**
 * Returns for what is allowed. Each packet of a connection that the instance opened is compared, so a change applies to
 * open connections too. Packets of connections that others opened are not.
 */
function egressRules(egress: EgressInput = {}): readonly string[] {
  if (!isLimited(egress)) return [];
  const { allow, deny = [] } = egress;
  const refused = deny.map((text) => destination(text, REFUSE));
  const rest = allow === undefined ? [] : [...allow.map((text) => destination(text, "return")), REFUSE];
  return ["ct direction reply return", ...refused, ...rest];
}

/** Accepts the allowed ports and refuses everything else. */
function hostRules({ allow = [] }: HostAccessInput = {}): readonly string[] {
  if (allow === "all") return ["accept"];
  const accepted = allow.map((entry) => {
    const { protocol, ports } = parsed(readHostPorts(entry));
    return `${protocol} dport ${renderPortRange(ports)} accept`;
  });
  return [...accepted, REFUSE];
}

function destination(text: string, verdict: string): string {
  const read = parsed(readDestination(text));
  return [...renderAddress(read), ...renderProtocol(read), verdict].join(" ");
}

function renderAddress({ family, address, prefix }: Destination): readonly string[] {
  if (prefix === 0) return [`meta nfproto ${family === "ip" ? "ipv4" : "ipv6"}`];
  return [`${family} daddr ${address}${prefix === (family === "ip" ? 32 : 128) ? "" : `/${prefix}`}`];
}

function renderProtocol({ family, protocol, ports }: Destination): readonly string[] {
  if (protocol === undefined) return [];
  if (ports !== undefined) return [`${protocol} dport ${renderPortRange(ports)}`];
  return [`meta l4proto ${protocol === "icmp" && family === "ip6" ? "icmpv6" : protocol}`];
}

/** Schemas have refused what cannot be read. */
function parsed<T>(read: T | string): T {
  if (typeof read === "string") throw new TypeError(read);
  return read;
}

function when(condition: boolean, text: string): readonly string[] {
  return condition ? [text] : [];
}
