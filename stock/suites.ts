/** A release of Debian, and what a run asks of it. */
export interface Suite {
  readonly name: string;
  /** The packages of the host that boots, beside those of the variant `minbase`. */
  readonly packages: readonly string[];
  /** Programs that run in the image once its packages are there. */
  readonly customize?: readonly (readonly string[])[];
  /** Whether Node comes with the packages. Otherwise the host gets a copy of the Node that runs this. */
  readonly ownNode: boolean;
  readonly steps: readonly Step[];
  /** `false` for a suite whose mirror may be a copy that is no longer updated. */
  readonly checkValidUntil?: boolean;
  /** Whether it runs only if `--suite` names it. */
  readonly byHand?: boolean;
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
 * The steps in the order of importance. All suites together must fit into a run of continuous integration. Emulated, the
 * kit takes long: what of it does not depend on the host, and the kit of oci, are for a run by hand.
 */
export const SUITES: readonly Suite[] = [
  {
    name: "bookworm",
    packages: [...PACKAGES, "ufw", "firewalld"],
    // A step starts it. Its package would start it at each boot.
    customize: [["systemctl", "disable", "firewalld"]],
    ownNode: false,
    steps: [
      ...["doctor", "life", "apparmor", "system-container", "service", "resolved", "ufw", "firewalld"],
      ...["crash", "leave-running", "reboot", "after-reboot", "kit-lxc-short"],
    ],
  },
  {
    name: "trixie",
    packages: [...PACKAGES, "nodejs", "qemu-system-x86"],
    ownNode: true,
    steps: ["doctor", "life", "apparmor", "machine-service", HERE],
  },
  {
    // What the next stable release may have: liblxc 7, the newest QEMU. It may be broken on any day, by itself.
    name: "sid",
    packages: [...PACKAGES, "nodejs", "qemu-system-x86"],
    ownNode: false,
    steps: ["doctor", "life", "apparmor", "system-container", "service", "machine-service", HERE],
    checkValidUntil: false,
    byHand: true,
  },
];
