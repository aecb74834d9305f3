import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Images, openHost } from "@pileus/core";
import { blinded, type DriverSubject, FIXTURE_USER, hanging, makeBusyboxRootfs } from "@pileus/core/testing";
import { lxc } from "../../src/index.ts";
import { leftovers } from "./leftovers.ts";

const { name, uid, gid, groupId } = FIXTURE_USER;

/** The driver on a busybox with a shell script as init. */
export const subject: DriverSubject = {
  driver: "lxc",
  capabilities: ["exec", "detached", "files", "freeze", "network", "metrics", "logs", "console", "reboot"],
  open: (root) => openHost({ root, drivers: [lxc()] }),
  openBlind: (root) => openHost({ root, drivers: [blinded(lxc())] }),
  openHanging: (root, step, arrived) => openHost({ root, drivers: [hanging(lxc(), step, arrived)] }),
  image: (host) => busyboxImage(host),
  stubborn: { lxc: { init: ["sleep", "2147483647"] } },
  missing: async (host) => ({ program: "/sbin/init", image: await busyboxImage(host, { without: "/sbin/init" }) }),
  account: { name, uid, gid, groups: [gid, groupId] },
  greedy: { argv: ["tail", "-c", "100000000", "/dev/zero"], config: { limits: { memory: "32MiB" } } },
  endsItself: ["kill", "-PWR", "1"],
  prints: { stream: "console", text: /init: up/ },
  disks: true,
  crash: { how: "kill", module: import.meta.url },
  leftovers,
  needs: ["root", "cgroup", "overlay", "binary:lxc-start", "binary:busybox"],
};

/** A BusyBox with a shell script as init, or without. */
async function busyboxImage(host: { readonly images: Images }, { without }: { readonly without?: string } = {}) {
  const folder = await mkdtemp(join(tmpdir(), "pileus-lxc-image-"));
  const root = join(folder, "rootfs");
  try {
    await makeBusyboxRootfs(root);
    if (without !== undefined) await rm(join(root, without));
    return await host.images.import(root);
  } finally {
    await rm(folder, { recursive: true });
  }
}
