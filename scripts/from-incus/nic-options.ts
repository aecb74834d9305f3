import { ALL_CREATE, type Group, has, noHardware, none, toCome } from "./entry.ts";

const ADDRESSES = "IPv6, routes, and the choice of the default route";
const LINK = "link settings of nics (mtu, VLANs, queues, the name on the host)";
const LOGGED = "a refused connection fails at once inside, and the host keeps no log of it";
const PLUG = "nics that come, go and lose their link while the instance runs";
const RATES = "rates of nics";
const VIRTIO = "the nics of a machine are always virtio";

const OVN = "a network here is a bridge of one machine";
const SRIOV = "network cards with virtual functions";

/** Of nics that have no counterpart yet: every option comes with the type. */
function ofType(name: string, options: string): Group {
  return { name: `nic_${name}`, entries: [toCome(`nics of the type ${name}`, options)] };
}

/** The options of nics, by type. */
export const NIC_GROUPS: readonly Group[] = [
  {
    name: "nic_bridged",
    entries: [
      has("name", "devices", ALL_CREATE, "the key of the nic is the name of its interface"),
      has("network", "nic.network", ALL_CREATE),
      toCome("nics on a bridge that others manage", "parent"),
      has("hwaddr", "nic.hwaddr", ALL_CREATE),
      has("ipv4.address", "nic.ipv4.address", ALL_CREATE),
      toCome(
        ADDRESSES,
        `ipv4.gateway ipv4.routes ipv4.routes.external ipv6.address ipv6.gateway ipv6.routes ipv6.routes.external`,
      ),
      has(
        "security.mac_filtering security.ipv4_filtering security.ipv6_filtering",
        "nic.filter",
        ALL_CREATE,
        "the three together, and on by default",
      ),
      has("security.port_isolation", "network.isolated", ALL_CREATE, "of a whole network"),
      has("security.acls", "nic.egress network.egress", ALL_CREATE, "destinations in place of named rules"),
      has(
        "security.acls.default.egress.action",
        "nic.egress.allow network.egress.allow",
        ALL_CREATE,
        "with it the rest is refused, without it allowed",
      ),
      has(
        "security.acls.default.ingress.action",
        "network.ipv4.nat network.isolated",
        ALL_CREATE,
        "only the host opens connections into a network with NAT",
      ),
      none(LOGGED, "security.acls.default.egress.logged security.acls.default.ingress.logged"),
      toCome(
        RATES,
        `limits.egress limits.egress.bucket limits.egress.burst limits.ingress limits.ingress.bucket limits.ingress.burst
         limits.max limits.max.bucket limits.max.burst limits.priority`,
      ),
      toCome(LINK, "host_name mtu queue.discipline queue.discipline.attach queue.tx.length vlan vlan.tagged"),
      toCome(PLUG, "attached connected"),
      toCome("boot order, and boots from the network", "boot.priority"),
      none(VIRTIO, "io.bus"),
    ],
  },
  ofType("macvlan", "attached boot.priority connected gvrp hwaddr io.bus mode mtu name network parent vlan"),
  {
    name: "nic_sriov",
    entries: [
      noHardware(
        SRIOV,
        `attached boot.priority hwaddr mtu name network parent pci productid security.mac_filtering security.trusted
         vendorid vlan`,
      ),
    ],
  },
  ofType("physical", "attached boot.priority gvrp hwaddr mtu name network parent vlan vlan.tagged"),
  ofType(
    "p2p",
    `attached boot.priority connected host_name hwaddr io.bus ipv4.routes ipv6.routes limits.egress limits.egress.bucket
     limits.egress.burst limits.ingress limits.ingress.bucket limits.ingress.burst limits.max limits.max.bucket
     limits.max.burst limits.priority mtu name queue.discipline queue.discipline.attach queue.tx.length`,
  ),
  ofType(
    "routed",
    `attached connected gvrp host_name hwaddr io.bus ipv4.address ipv4.gateway ipv4.host_address ipv4.host_table
     ipv4.host_tables ipv4.neighbor_probe ipv4.routes ipv6.address ipv6.gateway ipv6.host_address ipv6.host_table
     ipv6.host_tables ipv6.neighbor_probe ipv6.routes limits.egress limits.egress.bucket limits.egress.burst
     limits.ingress limits.ingress.bucket limits.ingress.burst limits.max limits.max.bucket limits.max.burst
     limits.priority mtu name parent queue.discipline queue.discipline.attach queue.tx.length vlan vrf`,
  ),
  ofType(
    "ipvlan",
    `attached gvrp hwaddr ipv4.address ipv4.gateway ipv4.host_table ipv6.address ipv6.gateway ipv6.host_table mode mtu
     name parent vlan`,
  ),
  {
    name: "nic_ovn",
    entries: [
      none(
        OVN,
        `acceleration attached boot.priority connected host_name hwaddr io.bus ipv4.address ipv4.address.external
         ipv4.gateway ipv4.routes ipv4.routes.external ipv6.address ipv6.address.external ipv6.gateway ipv6.routes
         ipv6.routes.external limits.egress limits.egress.bucket limits.ingress limits.ingress.bucket limits.max
         limits.max.bucket limits.priority mtu name nested network security.acls security.acls.default.egress.action
         security.acls.default.egress.logged security.acls.default.ingress.action security.acls.default.ingress.logged
         security.promiscuous vlan`,
      ),
    ],
  },
];
