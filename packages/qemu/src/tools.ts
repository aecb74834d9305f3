import { QEMU } from "./argv/argv.ts";

/** The tools that no machine can do without, with Debian's package for each. */
export const TOOLS = {
  [QEMU]: "qemu-system-x86",
  "qemu-img": "qemu-utils",
  "mkfs.ext4": "e2fsprogs",
  mksquashfs: "squashfs-tools",
  setpriv: "util-linux",
  prlimit: "util-linux",
} as const;
