import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { hostname } from "node:os";
import { after, before, describe, it } from "node:test";
import { config, DRIVERS, FACTOR, image, NETWORK, open, sh } from "./host.ts";

/** A firewall of the host, by shell commands. */
export interface Firewall {
  readonly name: string;
  /** Starts it as its package has it. */
  readonly start: string;
  /** Lets a network through, as docs/networks.md says. */
  readonly allow: string;
  readonly reload: string;
  /** Starts it again. */
  readonly restart: string;
  /** Stops it, and takes back what was allowed. */
  readonly stop: string;
}

type Host = Awaited<ReturnType<typeof open>>;
type Instance = Awaited<ReturnType<Host["create"]>>;
const timeout = 30_000 * FACTOR;

/** Checks a host whose firewall is started, changed, started again and stopped while instances run. */
export function describeFirewall(firewall: Firewall): void {
  describe(`a host whose firewall is ${firewall.name}`, () => {
    let host: Host;
    let gateway = "";
    const running: Instance[] = [];
    const start = async (driver: (typeof DRIVERS)[number], name: string) => {
      await image(host.images, driver);
      const instance = await host.create(config(driver, name));
      await instance.start();
      await instance.ready({ timeout });
      return instance;
    };
    before(async () => {
      host = await open();
      const { ipv4 } = await host.networks.create(NETWORK);
      gateway = ipv4.address.split("/")[0] ?? "";
      for (const driver of DRIVERS) running.push(await start(driver, `${firewall.name}-${driver}`));
    });
    after(async () => {
      sh(firewall.stop);
      for (const instance of running) await instance.delete();
      await host.networks.delete(NETWORK.name);
      await host[Symbol.asyncDispose]();
    });

    const assertConnected = async (instance: Instance) => {
      for (const argv of requests(instance.name, gateway)) await instance.run(argv, { check: true, timeout });
    };

    it("cuts instances off when it starts, until the rules of docs/networks.md are there", async () => {
      for (const instance of running) await assertConnected(instance);
      sh(firewall.start);
      for (const instance of running)
        for (const argv of requests(instance.name, gateway)) {
          const { exit } = await instance.run(argv, { timeout });
          assert.notDeepEqual(exit, { kind: "exited", code: 0 }, `${instance.name}: ${argv.join(" ")}`);
        }
    });
    for (const [when, command] of [
      ["those rules are added", firewall.allow],
      ["it is reloaded", firewall.reload],
      ["it is started again", firewall.restart],
    ] as const)
      it(`gives instances addresses, names, and a way to the outside once ${when}`, async () => {
        sh(command);
        assert.equal((await host.networks.get(NETWORK.name)).up, true);
        for (const instance of running) await assertConnected(instance);
      });
    it("with those rules gives all this to an instance that starts", async () => {
      for (const driver of DRIVERS) {
        const instance = await start(driver, `${firewall.name}-new-${driver}`);
        try {
          await assertConnected(instance);
        } finally {
          await instance.delete();
        }
      }
    });
    it("with those rules lets no instance reach a service of the host", async () => {
      const server = createServer((_, response) => response.end("reached"));
      let requested = 0;
      server.on("connection", () => requested++);
      await once(server.listen(0, "0.0.0.0"), "listening");
      try {
        const url = `http://${gateway}:${(server.address() as AddressInfo).port}/`;
        assert.equal(await (await fetch(url)).text(), "reached");
        for (const instance of running) {
          const { exit } = await instance.run(["wget", "-q", "-T", "5", "-O", "-", url], { timeout });
          assert.notDeepEqual(exit, { kind: "exited", code: 0 });
        }
        assert.equal(requested, 1);
      } finally {
        server.closeAllConnections();
        server.close();
      }
    });
    it("leaves instances connected when it is stopped", async () => {
      sh(firewall.stop);
      assert.equal((await host.networks.get(NETWORK.name)).up, true);
      for (const instance of running) await assertConnected(instance);
    });
  });
}

/**
 * What an instance asks of its network: an address, a name, and a name of the router of this machine, which is beyond
 * the host. (ufw lets each ping pass.)
 */
function requests(name: string, gateway: string): readonly (readonly string[])[] {
  const router = /via (\S+)/.exec(sh("ip route show default"))?.[1] ?? "";
  return [
    ["udhcpc", "-n", "-q", "-t", "3", "-T", "2", "-i", "eth0", "-s", "/bin/true"],
    ["nslookup", name, gateway],
    ["nslookup", `${hostname()}.pileus`, router],
  ];
}
