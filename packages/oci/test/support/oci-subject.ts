import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openHost } from "@pileus/core";
import { blinded, type DriverSubject, FIXTURE_USER, hanging } from "@pileus/core/testing";
import { leftovers } from "../../../lxc/test/support/leftovers.ts";
import { oci } from "../../src/index.ts";
import { buildImage } from "./build-image.ts";

const { name, uid, gid, groupId } = FIXTURE_USER;

/** Prints `up`, and ends at SIGTERM. */
export const PROGRAM = ["/bin/sh", "-c", "trap 'exit 0' TERM; echo up; while :; do sleep 2147483647 & wait $!; done"];

/** For the conformance kit, which loads this a second time in a process that it kills. */
export const subject: DriverSubject = {
  driver: "oci",
  capabilities: ["exec", "detached", "files", "freeze", "network", "metrics", "logs"],
  open: (root) => openHost({ root, drivers: [oci()] }),
  openBlind: (root) => openHost({ root, drivers: [blinded(oci())] }),
  openHanging: (root, step, arrived) => openHost({ root, drivers: [hanging(oci(), step, arrived)] }),
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
  missing: async () => ({ program: "/no-such", config: { oci: { entrypoint: ["/no-such"] } } }),
  account: { name, uid, gid, groups: [gid, groupId] },
  greedy: { argv: ["tail", "-c", "100000000", "/dev/zero"], config: { limits: { memory: "32MiB" } } },
  endsItself: ["kill", "-TERM", "1"],
  main: (script) => ({ oci: { entrypoint: ["sh", "-c", script], cmd: [] } }),
  prints: { stream: "stdout", text: /^up\n/ },
  disks: true,
  crash: { how: "kill", module: import.meta.url },
  leftovers,
  needs: ["root", "cgroup", "overlay", "binary:lxc-start"],
};
