import { spawn as spawnProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DevicesSchema } from "../../src/model/device/device.ts";
import { removeInterface } from "../../src/network/link.ts";
import type { NetworkManager } from "../../src/network/network-manager.ts";
import { openNetworks } from "../../src/network/networks.ts";
import { spawn } from "../../src/system/spawn.ts";
import { requires } from "../../src/testing/requires.ts";
import { Namespace } from "./fixtures/namespace.ts";

const NEEDS = ["root", "binary:ip", "binary:nft", "binary:dnsmasq", "binary:busybox"] as const;
const NAME = `pilb${process.pid}`;
const OTHER = `${NAME}z`;
// RFC 5737: TEST-NET-2 is the machine's and its neighbour's, TEST-NET-1 is not in use.
const MACHINE = "198.51.100.77";
const NEIGHBOUR = "198.51.100.78";
const FORGED = "192.0.2.77";

let folder: string;
let networks: NetworkManager;
let cleanup: (() => Promise<unknown>)[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pileus-boundary-"));
  networks = openNetworks({ folder: join(folder, "networks"), hostId: `b${process.pid}`.padEnd(10, "0") });
  cleanup = [() => rm(folder, { recursive: true })];
});

afterEach(async () => {
  for (const step of cleanup.reverse()) await step();
});

async function create(name: string, nat = true): Promise<void> {
  await networks.create({ name, ipv4: { nat } });
  cleanup.push(() => networks.delete(name));
}

/**
 * A namespace as an instance on the network would be, its address and route set. `filter: false` lets it send what the
 * filter of its nic would drop before the host sees it.
 */
async function instance(name: string, network: string, filter = true) {
  const owner = { name, uuid: `00000000-0000-4000-8000-${name.padStart(12, "0")}` };
  const [attachment] = await networks.reserve(owner, DevicesSchema.parse({ eth0: { type: "nic", network, filter } }));
  if (attachment === undefined) throw new Error("nothing was reserved");
  cleanup.push(() => networks.release(owner));
  const namespace = await made();
  await namespace.plug(attachment);
  const { address, prefix, gateway } = attachment.ipv4;
  await namespace.run(..."ip addr add".split(" "), `${address}/${prefix}`, "dev", "eth0");
  await namespace.run(..."ip route add default via".split(" "), gateway);
  return { namespace, address, gateway, owner, port: attachment.hostInterface };
}

/** A namespace that stands for a neighbour of the machine, and sends to our networks through the machine. */
async function neighbour(): Promise<Namespace> {
  const namespace = await made();
  const veth = `pob${process.pid}`;
  await spawn(`ip link add name ${veth} type veth peer name eth0 netns ${namespace.pid}`.split(" "));
  cleanup.push(() => removeInterface(veth));
  await spawn(`ip addr add ${MACHINE}/30 dev ${veth}`.split(" "));
  await spawn(`ip link set dev ${veth} up`.split(" "));
  await namespace.run(..."ip link set eth0 up".split(" "));
  await namespace.run(...`ip addr add ${NEIGHBOUR}/30 dev eth0`.split(" "));
  await namespace.run(...`ip route add default via ${MACHINE}`.split(" "));
  return namespace;
}

async function made(): Promise<Namespace> {
  const namespace = await Namespace.make();
  cleanup.push(() => namespace[Symbol.asyncDispose]());
  return namespace;
}

const PING = "busybox ping -c 1 -W 1".split(" ");
const isAnswered = (answer: string) => answer.includes("1 packets received");
const reaches = async (from: Namespace, to: string) => isAnswered(await from.run(...PING, to));

/** Sends from an address that is not the sender's, then from its own. Packets arrive in the order in which they are sent. */
async function forge(from: Namespace, to: string): Promise<void> {
  await from.run(...`ip addr replace ${FORGED}/32 dev eth0`.split(" "));
  await from.run(...PING, "-I", FORGED, to);
  expect(await reaches(from, to)).toBe(true);
}

const COUNTER = "pileus_boundary_test";

/** A script of nft(8) that counts what a hook sees from the forged address. */
function countForged(hook: "input" | "prerouting"): string {
  return `table ip ${COUNTER} {
  chain seen {
    type filter hook ${hook} priority 100
    ip saddr ${FORGED} counter
  }
}
`;
}

describe("a managed network and the host's IPv6", () => {
  /** One instance advertises itself as a router to the network. Another, which trusts routers as a host does, accepts it. */
  async function advertise(): Promise<void> {
    const [router, trusting] = [await instance("router", NAME, false), await instance("trusting", NAME)];
    for (const { namespace } of [router, trusting]) {
      // Without a link-local address, as on the bridge, it sends no solicitation, which would be answered only to it.
      await namespace.run(..."ip link set dev eth0 addrgenmode none".split(" "));
      await namespace.run(..."ip -6 addr flush dev eth0".split(" "));
    }
    for (const address of ["fe80::77/64", "2001:db8:77::1/64"])
      await router.namespace.run(..."ip -6 addr add".split(" "), address, "dev", "eth0", "nodad");
    const server = spawnProcess("nsenter", [
      ...["--net", "--target", `${router.namespace.pid}`, "dnsmasq", "--keep-in-foreground", "--log-facility=-"],
      ...["--conf-file=/dev/null", "--port=0", "--pid-file=", "--interface=eth0", "--enable-ra"],
      ...["--dhcp-range=2001:db8:77::,ra-only", `--dhcp-leasefile=${join(folder, "ra.leases")}`],
    ]);
    const exit = once(server, "exit");
    // It writes this before it sends, and handles the signal after that.
    for await (const line of createInterface(server.stderr)) if (line.includes("RTR-ADVERT(eth0)")) break;
    server.kill();
    await exit;
    expect(await trusting.namespace.run(..."ip -6 route show default".split(" "))).toContain("via fe80::77");
  }

  const setting = `/proc/sys/net/ipv6/conf/${NAME}/disable_ipv6`;

  it(
    "has no IPv6, so no instance can advertise itself as the host's router",
    requires([...NEEDS, `file:/proc/sys/net/ipv6/conf/all/disable_ipv6`], async () => {
      await create(NAME);
      await advertise();
      expect((await spawn(["ip", "-6", "route", "show", "dev", NAME])).stdout).toBe("");
      expect((await spawn(["ip", "-6", "addr", "show", "dev", NAME])).stdout).toBe("");
    }),
  );

  it(
    "ignores routers while IPv6 is turned on by someone else, and loses it at the next check",
    requires([...NEEDS, `file:/proc/sys/net/ipv6/conf/all/disable_ipv6`], async () => {
      await create(NAME);
      await writeFile(setting, "0");
      await advertise();
      expect((await spawn(["ip", "-6", "route", "show", "default", "dev", NAME])).stdout).toBe("");
      await networks.create({ name: NAME });
      expect(await readFile(setting, "utf8")).toBe("1\n");
    }),
  );

  it(
    "loses it at each check on the port of an instance, which has a new one when it boots by itself",
    requires([...NEEDS, `file:/proc/sys/net/ipv6/conf/all/disable_ipv6`], async () => {
      await create(NAME);
      const { owner, port } = await instance("a", NAME);
      const path = (setting: string) => `/proc/sys/net/ipv6/conf/${port}/${setting}`;
      const isOff = async () =>
        (await readFile(path("disable_ipv6"), "utf8")) + (await readFile(path("accept_ra"), "utf8")) === "1\n0\n";
      expect(await isOff()).toBe(true);
      const checks = {
        restored: () => networks.restore(new Set([owner.uuid])),
        raised: async () => {
          await spawn(["ip", "link", "set", "dev", NAME, "down"]);
          await networks.create({ name: NAME });
        },
        "on a new bridge": async () => {
          await removeInterface(NAME);
          await networks.create({ name: NAME });
        },
      };
      for (const [check, work] of Object.entries(checks)) {
        // The kernel's defaults.
        await writeFile(path("disable_ipv6"), "0");
        await writeFile(path("accept_ra"), "1");
        await work();
        expect([check, await isOff()]).toEqual([check, true]);
      }
    }),
  );
});

describe("a managed network's DNS server", () => {
  it(
    "answers only its own instances, not those of another network",
    requires(NEEDS, async () => {
      await create(NAME);
      await create(OTHER);
      const a = await instance("a", NAME);
      const b = await instance("b", OTHER);
      const ask = (from: Namespace) =>
        from.run(..."busybox nslookup -timeout=1 -retry=1 -type=a a.pileus".split(" "), a.gateway);
      expect(await ask(a.namespace)).toContain(`Address: ${a.address}`);
      expect(await ask(b.namespace)).not.toContain(a.address);
    }),
  );
});

describe("a managed network's instances", () => {
  for (const nat of [true, false])
    it(
      `cannot send from an address outside of the network, with NAT ${nat ? "on" : "off"}`,
      requires(NEEDS, async () => {
        await create(NAME, nat);
        const { namespace: a, gateway } = await instance("a", NAME, false);
        const outside = await neighbour();
        await spawn(["nft", "-f", "-"], { stdin: countForged("input") });
        cleanup.push(() => spawn(["nft", "delete", "table", "ip", COUNTER]));
        await writeFile(join(folder, "count.nft"), countForged("prerouting"));
        await outside.run("nft", "-f", join(folder, "count.nft"));

        await forge(a, gateway);
        await forge(a, NEIGHBOUR);
        const list = ["nft", "list", "table", "ip", COUNTER];
        const counters = { host: (await spawn(list)).stdout, outside: await outside.run(...list) };
        const none = expect.stringContaining("counter packets 0 ");
        expect(counters).toEqual({ host: none, outside: none });
      }),
    );

  it(
    "can be reached from elsewhere only without masquerading, but always by the host and each other",
    requires(NEEDS, async () => {
      await create(NAME);
      await create(OTHER, false);
      const a = await instance("a", NAME);
      const c = await instance("c", NAME);
      const b = await instance("b", OTHER);
      const outside = await neighbour();
      expect(await reaches(b.namespace, a.address)).toBe(false);
      expect(await reaches(outside, a.address)).toBe(false);
      expect(await reaches(a.namespace, b.address)).toBe(true);
      expect(await reaches(outside, b.address)).toBe(true);
      for (const { address } of [a, b]) expect(isAnswered((await spawn([...PING, address])).stdout)).toBe(true);
      expect(await reaches(c.namespace, a.address)).toBe(true);
      expect(await reaches(a.namespace, NEIGHBOUR)).toBe(true);
    }),
  );

  it(
    "can be reached from elsewhere through the host's own forwarding rules",
    requires(NEEDS, async () => {
      await create(NAME);
      const a = await instance("a", NAME);
      const outside = await neighbour();
      const table = `pileus_boundary_${process.pid}`;
      await spawn(["nft", "-f", "-"], {
        stdin: `table ip ${table} {
  chain prerouting {
    type nat hook prerouting priority dstnat
    ip daddr ${MACHINE} icmp type echo-request dnat to ${a.address}
  }
}
`,
      });
      cleanup.push(() => spawn(["nft", "delete", "table", "ip", table]));
      // Whether the instance answered, and not the machine: an instance without a network cannot answer.
      expect(await reaches(outside, MACHINE)).toBe(true);
      await a.namespace.run(..."ip link set eth0 down".split(" "));
      expect(await reaches(outside, MACHINE)).toBe(false);
    }),
  );
});
