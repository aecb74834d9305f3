import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { EgressInput } from "../../src/model/egress.ts";
import { removeInterface } from "../../src/network/link.ts";
import { bridgeMac } from "../../src/network/names.ts";
import { spawn } from "../../src/system/spawn.ts";
import { requires } from "../../src/testing/requires.ts";
import { attacker } from "./fixtures/attacker.ts";
import { dhcp, ethernet } from "./fixtures/frames.ts";
import { ManagedPlace, NEEDS, owner } from "./fixtures/managed-place.ts";
import { Namespace } from "./fixtures/namespace.ts";
import { dial, serve } from "./fixtures/tcp.ts";

const NAME = `pile${process.pid}`;
const HOST_ID = `e${process.pid}`.padEnd(10, "0");
// RFC 5737: TEST-NET-2 is the machine's and its neighbour's.
const MACHINE = "198.51.100.81";
const OUTSIDE = "198.51.100.82";
const PORT = 7001;
const REFUSED = "ECONNREFUSED";

let place: ManagedPlace;

beforeEach(async () => {
  place = await ManagedPlace.make(NAME, HOST_ID);
});
afterEach(() => place[Symbol.asyncDispose]());

type More = Parameters<ManagedPlace["instance"]>[1];

/** An instance with its address and route. */
async function online(name: string, more: More = {}) {
  const { attachment, namespace } = await place.instance(name, more);
  const { address, prefix, gateway } = attachment.ipv4;
  await namespace.run(..."ip addr add".split(" "), `${address}/${prefix}`, "dev", "eth0");
  await namespace.run(..."ip route add default via".split(" "), gateway);
  return { namespace, address, gateway };
}

/** The same, and it serves a word at {@link PORT}. */
async function serving(name: string, more: More = {}, ports = [PORT]) {
  const made = await online(name, more);
  for (const port of ports) place.cleanup.push(await serve(made.namespace, port));
  return made;
}

/** A neighbour of the machine that serves at {@link PORT}. */
async function outside(): Promise<void> {
  const namespace = await Namespace.make();
  place.cleanup.push(() => namespace[Symbol.asyncDispose]());
  const veth = `poe${process.pid}`;
  await spawn(`ip link add name ${veth} type veth peer name eth0 netns ${namespace.pid}`.split(" "));
  place.cleanup.push(() => removeInterface(veth));
  await spawn(`ip addr add ${MACHINE}/30 dev ${veth}`.split(" "));
  await spawn(`ip link set dev ${veth} up`.split(" "));
  await namespace.run(..."ip link set eth0 up".split(" "));
  await namespace.run(...`ip addr add ${OUTSIDE}/30 dev eth0`.split(" "));
  place.cleanup.push(await serve(namespace, PORT));
}

/** A server on all addresses of the host. */
async function hostServer(): Promise<number> {
  const server = createServer((socket) => socket.end("hello")).listen(0, "0.0.0.0");
  await once(server, "listening");
  place.cleanup.push(async () => server.close());
  return (server.address() as AddressInfo).port;
}

/** The first address of the network that the host has no use for, as `10.64.0.77`. */
const inNetwork = (gateway: string, last: number) => gateway.replace(/\d+(\/\d+)?$/, `${last}`);

describe("an instance with an egress policy", () => {
  it(
    "opens connections only to what is allowed, inside and outside of its network, and other connections fail at once",
    requires(NEEDS, async () => {
      const { ipv4 } = await place.networks.create({ name: NAME });
      const friend = inNetwork(ipv4.address, 77);
      const egress = { allow: [`${friend}:${PORT}`, `198.51.100.80/30:${PORT}`], deny: [`${MACHINE}/32`] };
      const a = await serving("a", { egress });
      const b = await serving("b", { ipv4: { address: friend } }, [PORT, PORT + 1]);
      const c = await serving("c");
      await outside();
      expect(await dial(a.namespace, b.address, PORT)).toBe("hello");
      expect(await dial(a.namespace, OUTSIDE, PORT)).toBe("hello");
      expect(await dial(a.namespace, b.address, PORT + 1)).toBe(REFUSED);
      expect(await dial(a.namespace, c.address, PORT)).toBe(REFUSED);
      const ping = "busybox ping -c 1 -W 1".split(" ");
      for (const to of [b.address, c.address, OUTSIDE])
        expect(await a.namespace.run(...ping, to)).toContain(" 0 packets received");
      // Others open connections to it, and are answered.
      expect(await dial(b.namespace, a.address, PORT)).toBe("hello");
      expect(await dial(c.namespace, b.address, PORT)).toBe("hello");
      const [word] = await once(connect(PORT, a.address), "data");
      expect(String(word)).toBe("hello");
    }),
  );

  it(
    "reaches no neighbour by broadcast, multicast or IPv6",
    requires(NEEDS, async () => {
      const { ipv4 } = await place.networks.create({ name: NAME });
      const [a, b] = [await online("a", { egress: { deny: ["192.0.2.0/24"] } }), await online("b")];
      const counted = await b.namespace.count(place.folder, "meta l4proto udp");
      const everywhere = [inNetwork(ipv4.address, 255), "224.0.0.251", "ff02::1%eth0"];
      const script = `for (const to of ${JSON.stringify(everywhere)}) {
        const socket = require("dgram").createSocket(to.includes(":") ? "udp6" : "udp4");
        socket.bind(() => { to.includes(":") || socket.setBroadcast(true); socket.send("all", 7001, to, () => socket.close()); });
      }`;
      await a.namespace.run(process.execPath, "-e", script);
      expect(await counted()).toBe(0);
      await b.namespace.run(
        process.execPath,
        "-e",
        `require("dgram").createSocket("udp4").send("one", 7001, "127.0.0.1", function () { this.close(); })`,
      );
      expect(await counted()).toBe(1);
    }),
  );

  it(
    "has it again after the host's firewall was flushed, and as it is changed, for open connections too",
    requires(NEEDS, async () => {
      await place.networks.create({ name: NAME });
      await outside();
      const set = (egress: EgressInput) => place.reserve("a", { egress });
      const a = await online("a", { egress: { allow: [] } });
      expect(await dial(a.namespace, OUTSIDE, PORT)).toBe(REFUSED);
      for (const family of ["inet", "bridge"]) await spawn(["nft", "delete", "table", family, `pileus_${NAME}`]);
      await place.networks.restore(new Set([owner("a").uuid]));
      expect(await place.networks.get(NAME)).toMatchObject({ up: true });
      expect(await dial(a.namespace, OUTSIDE, PORT)).toBe(REFUSED);
      await set({ allow: [`${OUTSIDE}:${PORT}`] });
      expect(await dial(a.namespace, OUTSIDE, PORT)).toBe("hello");
      await set({ deny: ["198.51.100.0/24"] });
      expect(await dial(a.namespace, OUTSIDE, PORT)).toBe(REFUSED);
      await set({ deny: ["198.51.101.0/24"] });
      expect(await dial(a.namespace, OUTSIDE, PORT)).toBe("hello");
    }),
  );

  it(
    "has that of its network, unless its nic says another, and no names with dns: false",
    requires(NEEDS, async () => {
      await place.networks.create({ name: NAME, egress: { allow: [], dns: false } });
      await outside();
      const [a, b] = [await serving("a"), await serving("b", { egress: {} })];
      expect(await dial(a.namespace, OUTSIDE, PORT)).toBe(REFUSED);
      expect(await dial(a.namespace, b.address, PORT)).toBe(REFUSED);
      expect(await dial(b.namespace, OUTSIDE, PORT)).toBe("hello");
      expect(await dial(b.namespace, a.address, PORT)).toBe("hello");
      expect(await a.namespace.resolve("b.pileus", a.gateway)).toEqual([]);
      expect(await b.namespace.resolve("a.pileus", b.gateway)).toEqual([a.address]);
    }),
  );
});

describe("an instance and the services of its host", () => {
  it(
    "reaches none by any address, and its connections fail at once; the host reaches it",
    requires(NEEDS, async () => {
      await place.networks.create({ name: NAME });
      await outside();
      const port = await hostServer();
      const a = await serving("a");
      for (const address of [a.gateway, MACHINE]) expect(await dial(a.namespace, address, port)).toBe(REFUSED);
      const [word] = await once(connect(PORT, a.address), "data");
      expect(String(word)).toBe("hello");
      expect(await a.namespace.resolve("a.pileus", a.gateway)).toEqual([a.address]);
      expect(await a.namespace.run(..."busybox ping -c 1 -W 2".split(" "), a.gateway)).toContain("1 packets received");
    }),
  );

  it(
    "reaches those that its network allows, or its nic in place of the network",
    requires(NEEDS, async () => {
      const [port, other] = [await hostServer(), await hostServer()];
      await place.networks.create({ name: NAME, host: [port] });
      await outside();
      const a = await online("a");
      for (const address of [a.gateway, MACHINE]) expect(await dial(a.namespace, address, port)).toBe("hello");
      expect(await dial(a.namespace, a.gateway, other)).toBe(REFUSED);
      const b = await online("b", { host: { allow: [`${other}/tcp`] } });
      expect(await dial(b.namespace, b.gateway, other)).toBe("hello");
      expect(await dial(b.namespace, b.gateway, port)).toBe(REFUSED);
      const c = await online("c", { host: { allow: "all" }, egress: { allow: [] } });
      for (const served of [port, other]) expect(await dial(c.namespace, c.gateway, served)).toBe("hello");
    }),
  );
});

describe("an instance and the DHCP servers of its host", () => {
  it(
    "reaches that of its own network alone",
    requires([...NEEDS, "tun"], async () => {
      await place.networks.create({ name: NAME });
      await outside();
      const a = await attacker(place);
      // Behind our rules, which stand at 0.
      const table = `pileus_count_${process.pid}`;
      const rule = `iifname ${NAME} udp dport 67`;
      const chain = `type filter hook input priority 10; ${rule} ip daddr ${MACHINE} counter; ${rule} counter;`;
      place.cleanup.push(() => spawn(["nft", "delete", "table", "inet", table]));
      await spawn(["nft", "-f", "-"], { stdin: `table inet ${table} {\nchain input { ${chain} }\n}\n` });
      const counted = async () =>
        [...(await spawn(["nft", "list", "table", "inet", table])).stdout.matchAll(/packets (\d+)/g)].map(
          (it) => it[1],
        );
      const ask = (to: string) =>
        a.send(ethernet(bridgeMac(HOST_ID, NAME), a.mac, 0x0800, dhcp(a.address, a.mac, { 53: Buffer.from([8]) }, to)));
      for (const to of [MACHINE, a.gateway, "255.255.255.255"]) ask(to);
      expect(await counted()).toEqual(["0", "2"]);
      await spawn(["nft", "delete", "table", "inet", `pileus_${NAME}`]);
      ask(MACHINE);
      expect(await counted()).toEqual(["1", "3"]);
    }),
  );
});

describe("the rules of access", () => {
  it(
    "are listed by the installed nft as they were written",
    requires(NEEDS, async () => {
      const egress = {
        allow: ["10.0.0.0/8:80-90", "[2001:DB8::/32]:443", "::/0/icmp"],
        deny: ["192.0.2.1/udp"],
        dns: false,
      };
      await place.networks.create({ name: NAME, egress, host: [80, "90-91/udp"] });
      await place.reserve("a", { egress, host: { allow: "all" } });
      expect(await place.networks.get(NAME)).toMatchObject({ up: true });
    }),
  );
});
