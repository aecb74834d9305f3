/** A release of Debian, and what a run asks of it. */
export interface Suite {
  readonly name: string;
  /** The packages of the host that boots, beside those of the variant `minbase`. */
  readonly packages: readonly string[];
  /** Whether Node comes with the packages. Otherwise the host gets a copy of the Node that runs this. */
  readonly ownNode: boolean;
  readonly steps: readonly Step[];
}

/** The step that runs in a chroot of the image: within an emulated machine, a virtual machine takes minutes to boot. */
export const HERE = "machines";

/** `reboot` boots the host again. Every other step is a file of `checks/`, without its extension. */
export type Step = "reboot" | (string & {});

/** The packages that a plain Debian server needs for Pileus, and those that such a server has anyway. */
const PACKAGES = [
  ...["systemd-sysv", "dbus", "udev", "kmod", "libpam-systemd", "procps", "iproute2", "systemd-resolved"],
  ...["linux-image-cloud-amd64", "apparmor", "ca-certificates", "libstdc++6"],
  ...["lxc", "lxcfs", "uidmap", "dnsmasq-base", "nftables", "skopeo", "squashfs-tools", "e2fsprogs", "qemu-utils"],
  ...["busybox-static", "xz-utils", "zstd", "rsync"],
];

/**
 * The steps in the order of importance. All suites together must fit into a run of continuous integration. `kit-lxc`
 * and `kit-oci` are for a run by hand: emulated, they take too long.
 */
export const SUITES: readonly Suite[] = [
  {
    name: "bookworm",
    packages: [...PACKAGES, "ufw"],
    ownNode: false,
    steps: [
      ...["doctor", "life", "apparmor", "system-container", "service", "resolved", "ufw", "crash"],
      ...["leave-running", "reboot", "after-reboot"],
    ],
  },
  {
    name: "trixie",
    packages: [...PACKAGES, "nodejs", "qemu-system-x86"],
    ownNode: true,
    steps: ["doctor", "life", "apparmor", "machine-service", HERE],
  },
];
