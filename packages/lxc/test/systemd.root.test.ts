import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { openHost } from "@pileus/core";
import { lacking, requires } from "@pileus/core/testing";
import { beforeAll, expect, it } from "vitest";
import { debianTar } from "../../../test-support/debian.ts";
import { lxc } from "../src/index.ts";
import { leftovers } from "./support/leftovers.ts";

const NETWORK = { name: "pileuslsd", ipv4: "10.93.42.1/24" } as const;
const TIMEOUT = 120_000;
const NEEDS = ["root", "cgroup", "overlay", "binary:lxc-start", "binary:mmdebstrap", "binary:dnsmasq"] as const;

// Bootstrapped once on a machine, so that no test has to wait for it.
beforeAll(async () => {
  if (NEEDS.every((need) => lacking(need) === undefined)) await debianTar();
}, 600_000);

it(
  "runs a Debian with systemd: boots, has its address, reboots itself, and halts in order, even right after its start",
  { timeout: TIMEOUT },
  requires(NEEDS, async () => {
    const root = await mkdtemp(join(tmpdir(), "pileus-lxc-systemd-"));
    const signal = AbortSignal.timeout(TIMEOUT);
    let undo = async () => {};
    try {
      await using host = await openHost({ root, drivers: [lxc()], signal });
      const image = await host.images.import(await debianTar(), { signal });
      await host.networks.create(NETWORK, { signal });
      try {
        const devices = { lan0: { type: "nic", network: NETWORK.name } } as const;
        const limits = { memory: "512MiB", processes: 400, cpu: 1.5 } as const;
        const system = await host.create({ driver: "lxc", name: "debian", image, devices, limits }, { signal });
        undo = () => system.delete();
        await system.start({ signal });
        await system.stop({ signal, timeout: 30_000 });
        expect((await system.inspect()).exit).toMatchObject({
          reason: "requested",
          status: { kind: "exited", code: 0 },
        });

        await system.start({ signal });
        await system.ready({ signal });
        const run = async (...argv: string[]) => (await system.run(argv, { signal })).stdout.trim();
        expect(await run("cat", "/proc/1/comm")).toBe("systemd");
        expect(await run("hostname")).toBe("debian");
        expect(await run("cat", "/etc/resolv.conf")).toContain("nameserver 10.93.42.1");
        // Only what a system without rights over the host's debugfs cannot mount.
        const failed = (await run("systemctl", "--failed", "--quiet", "--no-legend", "--plain")).split("\n");
        expect(failed.filter((line) => line !== "" && !line.startsWith("sys-kernel-debug.mount"))).toEqual([]);
        const [address] = await system.addresses({ signal });
        expect(address).toMatchObject({ interface: "lan0", family: "inet", prefix: 24 });
        expect(await run("getent", "hosts", "debian")).toContain(address?.address);
        expect((await system.metrics({ signal })).memory.limitBytes).toBe(512 * 2 ** 20);

        const before = (await system.inspect()).pid;
        const booted = await run("cat", "/proc/sys/kernel/random/boot_id");
        const shell = await system.exec(["systemctl", "reboot"], { signal });
        await shell.exit.catch(() => undefined);
        await expect
          .poll(() => system.inspect().then(({ pid }) => pid !== undefined && pid !== before), { timeout: 30_000 })
          .toBe(true);
        await system.ready({ signal });
        expect(await system.state()).toBe("running");
        // In a container, systemd makes a new boot id for each boot.
        expect(await run("cat", "/proc/sys/kernel/random/boot_id")).not.toBe(booted);

        await system.stop({ signal, timeout: 30_000 });
        expect((await system.inspect()).exit).toMatchObject({
          reason: "requested",
          status: { kind: "exited", code: 0 },
        });
        expect(await text(await system.logs({ stream: "console" }))).toMatch(/Reached target.*(?:Halt|Shutdown)/);
      } finally {
        await undo();
        await host.networks.delete(NETWORK.name);
      }
      expect(await leftovers(root)).toEqual([]);
    } finally {
      await rm(root, { recursive: true });
    }
  }),
);
