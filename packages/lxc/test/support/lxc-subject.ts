import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openHost } from "@pileus/core";
import { type DriverSubject, FIXTURE_USER, makeBusyboxRootfs } from "@pileus/core/testing";
import { lxc } from "../../src/index.ts";
import { leftovers } from "./leftovers.ts";

const { name, uid, gid, groupId } = FIXTURE_USER;

/** The driver on a busybox with a shell script as init. */
export const subject: DriverSubject = {
  driver: "lxc",
  capabilities: ["exec", "files", "freeze", "network", "metrics", "logs"],
  open: (root) => openHost({ root, drivers: [lxc()] }),
  async image(host) {
    const folder = await mkdtemp(join(tmpdir(), "pileus-lxc-image-"));
    try {
      await makeBusyboxRootfs(join(folder, "rootfs"));
      return await host.images.import(join(folder, "rootfs"));
    } finally {
      await rm(folder, { recursive: true });
    }
  },
  stubborn: { lxc: { init: ["sleep", "2147483647"] } },
  account: { name, uid, gid, groups: [gid, groupId] },
  endsItself: ["kill", "-PWR", "1"],
  prints: { stream: "console", text: /init: up/ },
  crash: { how: "kill", module: import.meta.url },
  leftovers,
  needs: ["root", "cgroup", "overlay", "binary:lxc-start", "binary:busybox"],
};
