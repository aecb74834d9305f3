import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { requires } from "../../src/testing/requires.ts";
import { type Attacker, attacker, neighbour } from "./fixtures/attacker.ts";
import {
  ALL_NODES,
  ALL_NODES_MAC,
  arp,
  behind,
  dhcp,
  EVERYONE,
  ethernet,
  icmpv6,
  ipv4,
  ipv6,
  linkLocal,
  neighborAdvertisement,
  routerAdvertisement,
  tagged,
} from "./fixtures/frames.ts";
import { ManagedPlace, NEEDS } from "./fixtures/managed-place.ts";
import type { Namespace } from "./fixtures/namespace.ts";

const NAME = `pilt${process.pid}`;
const TUN = [...NEEDS, "tun"] as const;
const [ARP, IPV4, IPV6] = [0x0806, 0x0800, 0x86dd];

let place: ManagedPlace;

beforeEach(async () => {
  place = await ManagedPlace.make(NAME, `t${process.pid}`.padEnd(10, "0"));
  await place.networks.create({ name: NAME });
});
afterEach(() => place[Symbol.asyncDispose]());

/** The frames in which a message of ICMPv6 may reach everybody. */
function disguises({ mac, link }: Attacker, message: Buffer): readonly Buffer[] {
  const whole = icmpv6(link, ALL_NODES, message);
  const frame = (next: number, payload: Buffer) =>
    ethernet(ALL_NODES_MAC, mac, IPV6, ipv6(link, ALL_NODES, next, payload));
  // A packet in two fragments: the first ends before the message begins.
  const options = Buffer.from("3a00010400000000", "hex");
  const first = Buffer.concat([Buffer.from("3c00000100000055", "hex"), options]);
  const second = Buffer.concat([Buffer.from("3c00000800000055", "hex"), whole]);
  return [
    frame(58, whole),
    frame(0, behind(0, whole)),
    frame(60, behind(60, whole)),
    frame(0, behind(0, behind(60, whole), 60)),
    frame(44, behind(44, whole)),
    frame(44, first),
    frame(44, second),
    tagged(frame(58, whole)),
    tagged(frame(58, whole), 0x88a8),
    tagged(tagged(frame(58, whole)), 0x88a8),
  ];
}

const routes = (of: Namespace) => of.run(..."ip -6 route show default".split(" "));
const knows = (of: Namespace, address: string) =>
  of.run("ip", "neigh", "show", address.includes(".") ? address : (address.match(/.{4}/g) ?? []).join(":"));

describe("an instance that writes its own frames", () => {
  for (const filter of [true, false])
    it(
      `${filter ? "does not become" : "with filter: false becomes"} the router of a neighbour, whatever form its advertisement has`,
      requires(TUN, async () => {
        const [a, b] = [await attacker(place, { filter }), await neighbour(place, "b")];
        // Without the filter, Linux believes the first of these at least, each of them.
        const frames = disguises(a, routerAdvertisement()).slice(0, filter ? undefined : 5);
        for (const [index, frame] of frames.entries()) {
          a.send(frame);
          await a.heardBy(b);
          expect({ index, believed: (await routes(b.namespace)) !== "" }).toEqual({ index, believed: !filter });
          await b.namespace.run(..."ip -6 route flush default".split(" "));
          await b.namespace.run("ip", "neigh", "flush", "all");
        }
      }),
    );

  for (const filter of [true, false])
    it(
      `${filter ? "cannot" : "can, with filter: false,"} take a neighbour's address by IPv6 neighbour discovery`,
      requires(TUN, async () => {
        const [a, b, c] = [await attacker(place, { filter }), await neighbour(place, "b"), await neighbour(place, "c")];
        const to = `${(c.link.match(/.{4}/g) ?? []).join(":")}%eth0`;
        expect(await b.namespace.run(..."busybox ping -c 1 -W 5".split(" "), to)).toContain("1 packets received");
        expect(await knows(b.namespace, c.link)).toContain(c.mac);
        const message = neighborAdvertisement(c.link, a.mac);
        const forged = ipv6(c.link, ALL_NODES, 58, icmpv6(c.link, ALL_NODES, message));
        for (const frame of [...disguises(a, message), ethernet(ALL_NODES_MAC, a.mac, IPV6, forged)]) a.send(frame);
        await a.heardBy(b);
        expect(await knows(b.namespace, c.link)).toContain(filter ? c.mac : a.mac);
      }),
    );

  for (const filter of [true, false])
    it(
      `${filter ? "cannot" : "can, with filter: false,"} take the addresses of a neighbour and of the gateway by ARP`,
      requires(TUN, async () => {
        const [a, b, c] = [await attacker(place, { filter }), await neighbour(place, "b"), await neighbour(place, "c")];
        await b.namespace.run("sh", "-c", "echo 0 >/proc/sys/net/ipv4/neigh/eth0/locktime");
        for (const stolen of [c.address, b.gateway]) {
          expect(await b.namespace.run(..."busybox ping -c 1 -W 5".split(" "), stolen)).toContain("1 packets received");
          for (const operation of [1, 2])
            for (const target of [EVERYONE, b.mac]) {
              const claim = arp(operation, [a.mac, stolen], [b.mac, b.address]);
              for (const frame of [ethernet(target, a.mac, ARP, claim), tagged(ethernet(target, a.mac, ARP, claim))])
                a.send(frame);
            }
          await a.heardBy(b);
          expect((await knows(b.namespace, stolen)).includes(a.mac)).toBe(!filter);
        }
      }),
    );

  for (const filter of [true, false])
    it(
      `${filter ? "leaves the addresses of others theirs" : "can, with filter: false, decline those of others"}, and asks by DHCP for hundreds`,
      requires(TUN, async () => {
        const [a, b] = [await attacker(place, { filter }), await place.instance("b")];
        const claim = (client: string, kind: number, more: Readonly<Record<number, Buffer>> = {}) =>
          a.send(ethernet(EVERYONE, a.mac, IPV4, dhcp("0.0.0.0", client, { 53: Buffer.from([kind]), ...more })));
        const { address, gateway } = b.attachment.ipv4;
        // Decline and release the neighbour's, while the server still keeps up.
        for (const kind of [4, 7]) claim(b.attachment.mac, kind, { 50: ipv4(address), 54: ipv4(gateway) });
        for (let client = 0; client < 250; client++) {
          const id = Buffer.from([1, 6, 6, 6, 6, 6, client]);
          // Discover as somebody new, and as itself under another name.
          claim(`06:66:66:66:66:${client.toString(16).padStart(2, "0")}`, 1);
          claim(a.mac, 1, { 61: id });
          claim(a.mac, 3, { 61: id, 50: ipv4(address), 54: ipv4(gateway) });
        }
        expect((await b.namespace.dhcp(place.folder))["ip"]).toBe(filter ? address : undefined);
      }),
    );

  it(
    "reaches nobody by what is neither ARP nor IP, nor from another address",
    requires(TUN, async () => {
      const [a, b] = [await attacker(place), await neighbour(place, "b")];
      const counted = await b.namespace.count(place.folder, "meta nfproto { ipv4, ipv6 }");
      const echo = (from: string) =>
        ipv6(from, b.link, 58, icmpv6(from, b.link, Buffer.from("8000000000770001", "hex")));
      for (const from of [b.link, linkLocal("02:00:00:00:00:77"), "20010db8000000000000000000000077", "0".repeat(32)])
        a.send(ethernet(b.mac, a.mac, IPV6, echo(from)));
      a.send(ethernet(b.mac, "02:00:00:00:00:77", IPV6, echo(a.link)));
      a.send(tagged(ethernet(b.mac, a.mac, IPV6, echo(a.link))));
      for (const type of [0x8847, 0x8863, 0x88cc, 0x0026]) a.send(ethernet(b.mac, a.mac, type, Buffer.alloc(46)));
      await a.heardBy(b);
      expect(await counted()).toBe(0);
      a.send(ethernet(b.mac, a.mac, IPV6, echo(a.link)));
      await expect.poll(counted, { timeout: 10_000 }).toBe(1);
    }),
  );
});
