import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openHost } from "@pileus/core";
import { type DriverSubject, FIXTURE_USER } from "@pileus/core/testing";
import { oci } from "../../src/index.ts";
import { buildImage } from "./build-image.ts";

const { name, uid, gid, groupId } = FIXTURE_USER;

/** Says that it is up, and ends when it is asked to. */
const PROGRAM = ["/bin/sh", "-c", "trap 'exit 0' TERM; echo up; while :; do sleep 2147483647 & wait $!; done"];

/** For the conformance kit, which loads it a second time in a process that it kills. */
export const subject: DriverSubject = {
  driver: "oci",
  capabilities: ["exec", "files", "freeze", "network", "metrics", "logs"],
  open: (root) => openHost({ root, drivers: [oci()] }),
  async image(host) {
    const folder = await mkdtemp(join(tmpdir(), "pileus-oci-kit-"));
    try {
      return await host.images.import((await buildImage(folder, "kit", ["busybox"], { cmd: PROGRAM })).source);
    } finally {
      await rm(folder, { recursive: true });
    }
  },
  // A process 1 without a handler gets no signal but SIGKILL.
  stubborn: { oci: { cmd: ["/bin/sleep", "2147483647"] } },
  account: { name, uid, gid, groups: [gid, groupId] },
  endsItself: ["kill", "-TERM", "1"],
  prints: { stream: "stdout", text: /^up\n/ },
  crash: { how: "kill", module: import.meta.url },
  leftovers: async (root) => [...(await mounts(root)), ...(await processes(root))],
  needs: ["root", "cgroup", "overlay", "binary:lxc-start"],
};

async function mounts(root: string): Promise<string[]> {
  const lines = (await readFile("/proc/self/mountinfo", "utf8")).split("\n");
  return lines.filter((line) => line.includes(` ${root}/`)).map((line) => `mount ${line.split(" ")[4]}`);
}

async function processes(root: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir("/proc")).filter((entry) => /^\d+$/.test(entry) && entry !== String(process.pid))) {
    const argv = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    if (argv.split("\0").some((argument) => argument.startsWith(`${root}/`)))
      found.push(`process ${pid} ${argv.split("\0")[0]}`);
  }
  return found;
}
