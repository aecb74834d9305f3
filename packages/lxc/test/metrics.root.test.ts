import type { NicTraffic } from "@pileus/core";
import { requires } from "@pileus/core/testing";
import { expect, it, vi } from "vitest";
import { NEEDS, systemFixture } from "./support/system-fixture.ts";

const fixture = systemFixture();
const NETWORK = `pilm${process.pid}`.slice(0, 15);

it(
  "counts what went through each nic as the container does, since its boot",
  requires([...NEEDS, "binary:nft", "binary:dnsmasq"], async () => {
    const { host } = fixture;
    await host.networks.create({ name: NETWORK, ipv4: "10.212.64.1/24" });
    try {
      const devices = { eth0: { type: "nic", network: NETWORK }, back: { type: "nic", network: NETWORK } } as const;
      await using box = await fixture.running({ devices });
      const counters = ["rx", "tx"].flatMap((way) =>
        ["bytes", "packets", "errors", "dropped"].map((one) => `/sys/class/net/eth0/statistics/${way}_${one}`),
      );
      const inside = async () =>
        (await box.run(["cat", ...counters], { check: true })).stdout.trim().split("\n").map(Number);
      const { network: before } = await box.metrics();
      await box.run(["ping", "-c", "5", "-i", "0.2", "-s", "1000", "10.212.64.1"], { check: true });
      // Neighbours may send at any time: equal as soon as they do not.
      await vi.waitFor(async () => {
        const { network: now = {} } = await box.metrics();
        const { received, sent } = now["eth0"] ?? {};
        expect([...Object.values(received ?? {}), ...Object.values(sent ?? {})]).toEqual(await inside());
      }, 10_000);
      const { network: after } = await box.metrics();
      expect(Object.keys(after ?? {}).sort()).toEqual(["back", "eth0"]);
      for (const way of ["received", "sent"] as const) {
        const bytes = (all = {}) => Object.values<NicTraffic>(all).reduce((sum, nic) => sum + nic[way].bytes, 0);
        // The kernel chooses one of two nics on the same network.
        const count = bytes(after) - bytes(before);
        expect(count).toBeGreaterThan(5000);
        expect(count).toBeLessThan(20_000);
      }
    } finally {
      await vi.waitFor(() => host.networks.delete(NETWORK), 10_000);
    }
  }),
);

it(
  "counts what is in the swap space, and what the kernel has killed for want of memory",
  requires(NEEDS, async () => {
    await using box = await fixture.running({ limits: { memory: { limit: "32MiB", swap: 0 } } });
    const { swapBytes, oomKills } = (await box.metrics()).memory;
    expect([swapBytes, oomKills]).toEqual([0, 0]);
    await box.run(["sh", "-c", "tail -c 100000000 /dev/zero; true"], { timeout: 20_000 });
    expect((await box.metrics()).memory.oomKills).toBe(1);
  }),
);
