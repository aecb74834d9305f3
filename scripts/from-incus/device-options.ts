import { CONTAINERS_LIVE, CONTAINERS_NEXT_START, type Group, has, noHardware, none, toCome } from "./entry.ts";

const CEPH = "a host is one machine, without the storage of a cluster";
const MACHINES = "disks of machines";
const RATES = "rates of disks";
const VOLUMES = "volumes, and the size of a container's root";

const CARDS = {
  mdev: "graphics cards with mediated devices",
  mig: "graphics cards that are divided into instances",
  sriov: "graphics cards with virtual functions",
  native_context: "graphics cards that serve guests by virtio",
} as const;

/** Each option of these devices comes with the type. */
function ofType(name: string, subject: string, options: string): Group {
  return { name, entries: [toCome(subject, options)] };
}

function noSuchCard(name: keyof typeof CARDS, options: string): Group {
  return { name: `gpu_${name}`, entries: [noHardware(CARDS[name], options)] };
}

/** The options of all devices but nics, by type. */
export const DEVICE_GROUPS: readonly Group[] = [
  {
    name: "disk",
    entries: [
      has("source", "disk.source", CONTAINERS_LIVE, "a folder or a file of the host, or `tmpfs:`"),
      has("path", "disk.path", CONTAINERS_LIVE),
      has("readonly", "disk.readonly", CONTAINERS_LIVE),
      has("recursive", "disk.recursive", CONTAINERS_LIVE),
      has("required", "disk.required", CONTAINERS_LIVE),
      has("propagation", "disk.propagation", CONTAINERS_LIVE, "`private` or `slave`"),
      has("shift", "disk.shift", CONTAINERS_LIVE, "on by default"),
      has(
        "size",
        "disk.size qemu.rootSize",
        { ...CONTAINERS_NEXT_START, qemu: "create" },
        "of a tmpfs, and of a machine's root",
      ),
      none("what is not attached stays out of `devices`, until `attachDevice()` adds it", "attached"),
      none(CEPH, "ceph.cluster_name ceph.user_name"),
      toCome(
        RATES,
        `limits.max limits.max.burst limits.max.burst.length limits.read limits.read.burst limits.read.burst.length
         limits.write limits.write.burst limits.write.burst.length`,
      ),
      toCome(MACHINES, "boot.priority io.bus io.cache wwn"),
      toCome(VOLUMES, "dependent initial.* pool"),
      toCome("block devices as disks", "raw.mount.options"),
      toCome("snapshots with memory", "size.state"),
    ],
  },
  ofType(
    "unix-char-block",
    "devices of the types unix-char and unix-block",
    "gid limits.read limits.write major minor mode path required source uid",
  ),
  ofType("usb", "devices of the type usb", "attached busnum devnum gid mode productid required serial uid vendorid"),
  ofType("gpu_physical", "devices of the type gpu", "gid id mode nvidia.clique pci productid uid vendorid"),
  noSuchCard("mdev", "id mdev productid vendorid"),
  noSuchCard("mig", "id mig.ci mig.gi mig.uuid pci productid vendorid"),
  noSuchCard("sriov", "id pci productid vendorid"),
  noSuchCard("native_context", "blob.size id pci productid vendorid"),
  {
    name: "infiniband",
    entries: [noHardware("cards of InfiniBand", "hwaddr mtu name nictype node_guid parent port_guid")],
  },
  ofType(
    "proxy",
    "published ports, and devices of the type proxy",
    "bind connect gid listen mode nat proxy_protocol security.gid security.uid uid",
  ),
  ofType(
    "unix-hotplug",
    "devices of the types unix-char and unix-block",
    "gid mode pci productid required uid vendorid",
  ),
  ofType("tpm", "devices of the type tpm", "path pathrm"),
  ofType("pci", "devices of the type pci", "address firmware"),
];
