import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { config, DRIVERS, FACTOR, image, NETWORK, open, sh } from "../inside/host.ts";

const timeout = 30_000 * FACTOR;

describe("a host whose firewall is ufw, with the rules for a network that docs/networks.md names", () => {
  const rules = [`allow in on ${NETWORK.name}`, `route allow in on ${NETWORK.name}`];
  let host: Awaited<ReturnType<typeof open>>;
  before(async () => {
    host = await open();
    await host.networks.create(NETWORK);
    sh(`ufw --force enable; ${rules.map((rule) => `ufw ${rule}`).join("; ")}`);
  });
  after(async () => {
    sh("ufw --force reset");
    await host.networks.delete(NETWORK.name);
    await host[Symbol.asyncDispose]();
  });

  for (const when of ["enabled", "reloaded"])
    for (const driver of DRIVERS)
      it(`gives an instance of ${driver} an address and names, once ufw is ${when}`, async () => {
        if (when === "reloaded") sh("ufw reload");
        assert.equal((await host.networks.get(NETWORK.name)).up, true);
        await image(host.images, driver);
        const instance = await host.create(config(driver, `ufw-${driver}`));
        try {
          await instance.start();
          await instance.ready({ timeout });
          const [gateway = ""] = (await host.networks.get(NETWORK.name)).ipv4.address.split("/");
          await instance.run(["nslookup", instance.name, gateway], { check: true, timeout });
        } finally {
          await instance.delete();
        }
      });
});
