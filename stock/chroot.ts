import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { INSIDE } from "./application.ts";
import type { Run } from "./run-step.ts";

/**
 * Runs a program in a chroot of the tree `$0`, with the folder `$1` at {@link INSIDE}. An overlay in memory takes what
 * is written.
 */
const ENTER = `set -e
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o "lowerdir=$0,upperdir=/mnt/upper,workdir=/mnt/work" /mnt/root
cd /mnt/root
mount -t proc proc proc
mount --rbind /dev dev
mount --rbind /sys sys
mount -t tmpfs tmpfs run
mkdir -p run/systemd/resolve
cat /etc/resolv.conf >run/systemd/resolve/stub-resolv.conf
mkdir -p ".${INSIDE}"
mount --bind "$1" ".${INSIDE}"
ip link set lo up
shift
exec chroot . sh -c 'cd ${INSIDE} && exec "$@"' sh "$@"`;

/**
 * Runs programs of the application in a chroot of a tree of files, on the kernel of this machine. Each has namespaces of
 * its own, so everything that it starts ends with it.
 */
export const inChroot =
  (tree: string, app: string): Run =>
  async (argv, { onLine, env, signal }) => {
    const namespaces = ["--mount", "--net", "--pid", "--fork", "--kill-child"];
    const child = spawn("unshare", [...namespaces, "sh", "-c", ENTER, tree, app, ...argv], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", ...env },
      killSignal: "SIGKILL",
      signal,
    });
    for (const input of [child.stdout, child.stderr]) createInterface({ input }).on("line", onLine);
    const [code, killedBy] = await once(child, "close");
    return { failed: code !== 0, exit: { code, signal: killedBy } };
  };
