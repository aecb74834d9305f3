import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openHost } from "@pileus/core";
import { lacking, requires } from "@pileus/core/testing";
import { beforeAll, expect, it } from "vitest";
import { debianTar } from "../../../test-support/debian.ts";
import { qemu } from "../src/index.ts";
import { cache, MACHINE_NEEDS, machinesOf, networkOf, portsOf, WARMING, warmCache } from "./support/qemu-subject.ts";

const TIMEOUT = 240_000;
const NEEDS = [...MACHINE_NEEDS, "binary:mmdebstrap"] as const;

beforeAll(async () => {
  if (NEEDS.some((need) => lacking(need) !== undefined)) return;
  await warmCache();
  await debianTar();
}, WARMING);

it(
  "boots a Debian with systemd from the image of a system container, with the agent as a systemd unit",
  { timeout: TIMEOUT },
  requires(NEEDS, async () => {
    const root = await mkdtemp(join(tmpdir(), "pileus-qemu-systemd-"));
    const network = networkOf(root);
    const signal = AbortSignal.timeout(TIMEOUT);
    try {
      await using host = await openHost({ root, drivers: [qemu({ cache })], signal });
      const image = await host.images.import(await debianTar(), { signal });
      await host.networks.create({ name: network }, { signal });
      try {
        await using machine = await host.ephemeral(
          {
            driver: "qemu",
            name: "debian",
            image,
            limits: { cpu: 2 },
            devices: { lan0: { type: "nic", network } },
          },
          { signal },
        );
        await machine.ready({ signal });
        const [address] = await machine.addresses({ signal });
        expect(address).toMatchObject({ interface: "lan0", family: "inet", prefix: 24 });
        const run = async (...argv: string[]) => (await machine.run(argv, { signal })).stdout.trim();
        expect(await run("cat", "/proc/1/comm")).toBe("systemd");
        expect(await run("uname", "-n")).toBe("debian");
        expect(await run("cat", "/etc/resolv.conf")).toMatch(/^nameserver 10\./m);
        // What systemd-resolved would read.
        expect(await run("cat", "/run/systemd/resolved.conf.d/pileus-lan0.conf")).toMatch(/^DNS=10\.[\d.]+\n/m);
        expect(await run("systemctl", "is-active", "pileus-agent.service")).toBe("active");
        // Waits until it has booted: it has a bus, and no unit of ours failed.
        expect(await run("systemctl", "is-system-running", "--wait")).toMatch(/running|degraded/);
        expect(await run("systemctl", "--failed", "--quiet", "--no-legend", "--plain")).not.toContain("pileus");
        await machine.stop({ signal, timeout: 60_000 });
        const { exit, pid } = await machine.inspect({ signal });
        expect([exit?.reason, pid]).toEqual(["requested", undefined]);
      } finally {
        await host.networks.delete(network);
      }
    } finally {
      expect(await machinesOf(root)).toEqual([]);
      expect(await portsOf(network)).toEqual([]);
      await rm(root, { recursive: true });
    }
  }),
);
