/**
 * The Debian packages for the quickstart and the tests, with their purpose. A package is installed if its `probe`
 * exists.
 */
export const PACKAGES = [
  { name: "lxc", probe: "lxc-start", use: "containers" },
  { name: "iproute2", probe: "ip", use: "containers and networks" },
  { name: "dnsmasq-base", probe: "dnsmasq", use: "networks" },
  { name: "nftables", probe: "nft", use: "networks" },
  { name: "skopeo", probe: "skopeo", use: "OCI images" },
  { name: "umoci", probe: "umoci", use: "OCI images (tests compare with it)" },
  { name: "runc", probe: "runc", use: "bench (compares with it)" },
  { name: "mmdebstrap", probe: "mmdebstrap", use: "images" },
  { name: "squashfs-tools", probe: "mksquashfs", use: "images" },
  { name: "zstd", probe: "zstd", use: "images" },
  { name: "xz-utils", probe: "xz", use: "images" },
  { name: "tar", probe: "tar", use: "images" },
  { name: "qemu-system-x86", probe: "qemu-system-x86_64", use: "virtual machines" },
  { name: "qemu-utils", probe: "qemu-img", use: "virtual machines" },
  { name: "seabios", probe: "/usr/share/seabios/bios.bin", use: "virtual machines" },
  { name: "e2fsprogs", probe: "mkfs.ext4", use: "virtual machines" },
  { name: "busybox-static", probe: "busybox", use: "virtual machines and tests" },
  { name: "apparmor", probe: "apparmor_parser", use: "tests of profiles" },
  { name: "openssl", probe: "openssl", use: "tests of TLS registries" },
  { name: "git", probe: "git", use: "the linter" },
  { name: "ca-certificates", probe: "/etc/ssl/certs/ca-certificates.crt", use: "downloads" },
];
