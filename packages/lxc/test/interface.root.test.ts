import { requires } from "@pileus/core/testing";
import { expect, it, vi } from "vitest";
import { NEEDS, systemFixture } from "./support/system-fixture.ts";

const fixture = systemFixture();
const NETWORK = `pili${process.pid}`.slice(0, 15);

const CASES = { "10.211.64.1/24": "10.211.64.255", "10.211.64.1/18": "10.211.127.255" };

for (const [ipv4, broadcast] of Object.entries(CASES))
  it(
    `the interface of a container on ${ipv4} has the broadcast address ${broadcast}`,
    requires([...NEEDS, "binary:nft", "binary:dnsmasq"], async () => {
      const { host, image } = fixture;
      await host.networks.create({ name: NETWORK, ipv4 });
      try {
        const devices = { eth0: { type: "nic", network: NETWORK } } as const;
        await using box = await host.ephemeral({ driver: "lxc", name: "box", image, devices });
        const { stdout } = await box.run(["ip", "-4", "address", "show", "dev", "eth0"], { check: true });
        expect(/ brd (\S+) /.exec(stdout)?.[1]).toBe(broadcast);
      } finally {
        await vi.waitFor(() => host.networks.delete(NETWORK), 10_000);
      }
    }),
  );
