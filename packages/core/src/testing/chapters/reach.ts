import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { type AddressInfo, createServer, type Server } from "node:net";
import type { Networks } from "../../contract/networks.ts";
import { eventually } from "../kit/expect.ts";
import type { AnyInstance, Fixture } from "../kit/fixture.ts";

const GREETING = "kit\n";
/** Ports on which a neighbour listens. */
const [OPEN, CLOSED] = [7001, 7002];

/** Chapter: what an instance reaches beyond itself. Its image needs `nc` of BusyBox. */
export function describeReach(fixture: Fixture): void {
  if (fixture.subject.unconfined?.includes("network")) return;
  const attached = async (network: string, more: object = {}) => {
    const nic = { type: "nic", network, ...more };
    const instance = await fixture.create(undefined, { devices: { eth0: nic } });
    await instance.start();
    return instance;
  };
  const addressOf = (instance: AnyInstance) =>
    eventually(fixture.deadline, "an IPv4 address", async () =>
      (await instance.addresses()).map(({ address }) => address).find((address) => /^\d+(\.\d+){3}$/.test(address)),
    );

  fixture.describe("reach", () => {
    fixture.it(
      "is what its nic allows: services of the host, and destinations of the egress policy, neighbours included",
      () =>
        onNetwork(fixture, async ({ name: network, gateway }) => {
          const [allowed, denied] = [await listen(gateway), await listen(gateway)];
          const neighbour = await attached(network);
          try {
            await neighbour.ready({ timeout: fixture.deadline });
            for (const port of [OPEN, CLOSED])
              await neighbour.exec(["nc", "-ll", "-p", String(port), "-e", "echo", GREETING.trim()]);
            const address = await addressOf(neighbour);
            const egress = { allow: [`${address}/32:${OPEN}`] };
            const instance = await attached(network, { egress, host: [portOf(allowed)] });
            try {
              await instance.ready({ timeout: fixture.deadline });
              await addressOf(instance);
              // Until the neighbour listens.
              await eventually(fixture.deadline, "the allowed destination", async () =>
                (await greets(instance, address, OPEN)) ? true : undefined,
              );
              await eventually(fixture.deadline, "the neighbour's other port", async () =>
                (await greets(neighbour, address, CLOSED)) ? true : undefined,
              );
              assert.deepEqual(await portsWithIpv6(network), [], "interfaces on which the host speaks IPv6");
              assert.ok(await greets(instance, gateway, portOf(allowed)), "the allowed port of the host");
              assert.ok(!(await greets(instance, gateway, portOf(denied))), "another port of the host");
              assert.ok(!(await greets(instance, address, CLOSED)), "another port of the neighbour");
              assert.ok(
                !(await greets(neighbour, gateway, portOf(allowed))),
                "a port of the host, by a nic without it",
              );
            } finally {
              await instance.delete();
            }
          } finally {
            for (const server of [allowed, denied]) server.close();
            await neighbour.delete();
          }
        }),
      "exec",
      "network",
    );
  });
}

async function onNetwork(
  fixture: Fixture,
  test: (network: { readonly name: string; readonly gateway: string }) => Promise<void>,
): Promise<void> {
  const { networks }: { readonly networks: Networks } = await fixture.host();
  const name = `kit${process.pid}`;
  const { ipv4 } = await networks.create({ name });
  try {
    await test({ name, gateway: ipv4.address.split("/")[0] ?? "" });
  } finally {
    await networks.delete(name);
  }
}

/** The ports of a bridge on which the host has an address of IPv6. proc(5), `if_inet6`: a line ends with a name. */
async function portsWithIpv6(bridge: string): Promise<readonly string[]> {
  const ports = await readdir(`/sys/class/net/${bridge}/brif`);
  assert.ok(ports.length > 0, `${bridge} has no ports`);
  const addresses = existsSync("/proc/net/if_inet6") ? await readFile("/proc/net/if_inet6", "utf8") : "";
  return ports.filter((port) => addresses.includes(` ${port}\n`));
}

async function listen(address: string): Promise<Server> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined).end(GREETING);
  }).listen(0, address);
  await once(server, "listening");
  return server;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

async function greets(instance: AnyInstance, address: string, port: number): Promise<boolean> {
  const { stdout } = await instance.run(["sh", "-c", 'nc -w 5 "$1" "$2" </dev/null', "sh", address, String(port)]);
  return stdout === GREETING;
}
