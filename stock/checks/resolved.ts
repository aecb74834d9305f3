import assert from "node:assert/strict";
import { hostname } from "node:os";
import { it } from "node:test";
import { config, DRIVERS, FACTOR, image, open, sh } from "../inside/host.ts";

/** The name of this machine in the network of the host that booted it. */
const NAME = `${hostname()}.pileus`;
const NETWORK = { name: "resolved0", dns: { domain: "inside" } };

it("systemd-resolved finds names by the server of the network that this machine is in", () => {
  // Without this option it answers for its own name by itself.
  assert.match(sh(`resolvectl query --synthesize=no ${NAME}`), /-- link: eth0/);
});

for (const driver of DRIVERS)
  it(`an instance of ${driver} finds names by the systemd-resolved of its host, also after a restart of that`, async () => {
    await using host = await open();
    await host.networks.create(NETWORK);
    await image(host.images, driver);
    const instance = await host.create({
      ...config(driver, `resolved-${driver}`),
      devices: { eth0: { type: "nic", network: NETWORK.name } },
    });
    try {
      await instance.start();
      await instance.ready({ timeout: 30_000 * FACTOR });
      await instance.run(["nslookup", NAME], { check: true });
      sh("systemctl restart systemd-resolved");
      await instance.run(["nslookup", NAME], { check: true });
    } finally {
      await instance.delete();
      await host.networks.delete(NETWORK.name);
    }
  });
