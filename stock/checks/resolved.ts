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

it("instances find each other while /etc/resolv.conf dangles, which doctor() reports, and other names when it is back", async () => {
  const file = "/etc/resolv.conf";
  await using host = await open();
  sh(`mv ${file} ${file}.away && ln -s /run/nowhere ${file}`);
  try {
    await host.networks.create(NETWORK);
    const facts = (await host.doctor()).networks.facts.filter(({ name }) => name === "/etc/resolv.conf");
    assert.match(facts[0]?.value ?? "", /dangling/);
    await image(host.images, "lxc");
    const name = "resolved-alone";
    const devices = { eth0: { type: "nic" as const, network: NETWORK.name } };
    const instance = await host.create({ ...config("lxc", name), devices });
    try {
      await instance.start();
      await instance.ready({ timeout: 30_000 * FACTOR });
      await instance.run(["nslookup", name], { check: true });
      assert.notDeepEqual((await instance.run(["nslookup", NAME])).exit, { kind: "exited", code: 0 });
      sh(`mv ${file}.away ${file}`);
      // Which repairs it.
      await host.networks.create(NETWORK);
      await instance.run(["nslookup", NAME], { check: true });
    } finally {
      await instance.delete();
    }
  } finally {
    sh(`[ ! -L ${file}.away ] || mv ${file}.away ${file}`);
    await host.networks.delete(NETWORK.name);
  }
});
