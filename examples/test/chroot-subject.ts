import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openHost } from "@pileus/core";
import { mountsBelow, spawn } from "@pileus/core/driver";
import { blinded, type DriverSubject, FIXTURE_USER, hanging, makeBusyboxRootfs } from "@pileus/core/testing";
import { chroot } from "../chroot-driver/chroot.ts";

const { name, uid, gid, groupId } = FIXTURE_USER;
const wait = "while :; do sleep 1000 & wait $!; done";

/** The description of the chroot driver for the kit. */
export const subject: DriverSubject = {
  driver: "chroot",
  capabilities: ["exec", "detached", "console", "logs"],
  open: (root) => openHost({ root, drivers: [chroot()] }),
  openBlind: (root) => openHost({ root, drivers: [blinded(chroot())] }),
  openHanging: (root, step, arrived) => openHost({ root, drivers: [hanging(chroot(), step, arrived)] }),
  async image(host) {
    const folder = await mkdtemp(join(tmpdir(), "pileus-chroot-image-"));
    try {
      await makeBusyboxRootfs(join(folder, "rootfs"));
      return await host.images.import(join(folder, "rootfs"));
    } finally {
      await rm(folder, { recursive: true });
    }
  },
  config: { chroot: { init: ["sh", "-c", `echo $$ >/run/init; trap 'exit 0' TERM; echo "init: up"; ${wait}`] } },
  prints: { stream: "console", text: /init: up/ },
  stubborn: { chroot: { init: ["sh", "-c", `trap '' TERM; : >/run/deaf; ${wait}`] } },
  stubbornOnce: ["test", "-e", "/run/deaf"],
  account: { name, uid, gid, groups: [gid, groupId] },
  // Until the init has come so far, the file is that of an earlier run.
  endsItself: ["sh", "-c", "until kill -TERM -$(cat /run/init); do sleep 0.1; done"],
  crash: { how: "kill", module: import.meta.url },
  // The mounts, and the roots that processes have. It does not matter how many processes share one.
  leftovers: async (root) => {
    const find = ["find", "/proc", "-maxdepth", "2", "-name", "root", "-lname", `${root}/*`, "-printf", "%l\n"];
    const { stdout } = await spawn(find, { allow: [0, 1] });
    return [...new Set(stdout.split("\n").filter((line) => line !== "")), ...(await mountsBelow(root))];
  },
  // A busy host takes long to start the processes that die.
  deadline: 20_000,
  blindTo: "real-time signals",
  // Its programs are root's of the host, in another folder.
  unconfined: ["processes", "kernel settings", "mounts", "devices", "rights of exec"],
  needs: ["root", "binary:chroot", "binary:setpriv", "binary:mount", "binary:busybox"],
};
