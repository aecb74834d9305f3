import { afterEach, beforeEach, describe, expect, it, type TestContext } from "vitest";
import { spawn } from "../../src/system/spawn.ts";
import { requires } from "../../src/testing/requires.ts";
import { type Attacker, attacker } from "./fixtures/attacker.ts";
import { ALL_NODES, arp, behind, EVERYONE, ethernet, icmpv6, igmp, ipv6, packet } from "./fixtures/frames.ts";
import { ManagedPlace, NEEDS } from "./fixtures/managed-place.ts";

const NAME = `pilm${process.pid}`;
const TUN = [...NEEDS, "tun", "binary:bridge"] as const;
const [ARP, IPV4, IPV6] = [0x0806, 0x0800, 0x86dd];
const [OPTIONS, IGMP, PIM] = [0, 2, 103] as const;

let place: ManagedPlace;

beforeEach(async () => {
  place = await ManagedPlace.make(NAME, `m${process.pid}`.padEnd(10, "0"));
  await place.networks.create({ name: NAME });
});
afterEach(() => place[Symbol.asyncDispose]());

function message(a: Attacker, group: string, protocol: number, digits: string): Buffer {
  const [, ...last] = group.split(".").map(Number);
  const mac = Buffer.from([1, 0, 0x5e, ...last]).toString("hex");
  return ethernet(mac, a.mac, IPV4, packet(a.address, group, protocol, igmp(digits)));
}

function message6(a: Attacker, group: string, digits: string): Buffer {
  const body = behind(OPTIONS, icmpv6(a.link, group, Buffer.from(digits, "hex")));
  return ethernet(`3333${group.slice(-8)}`, a.mac, IPV6, ipv6(a.link, group, OPTIONS, body));
}

const NONE = "0".repeat(32);
type Says = readonly [what: string, frame: (a: Attacker) => Buffer];

/** What a querier or a router of multicasts says. */
const claims: readonly Says[] = [
  ["a query of IGMP (RFC 2236)", (a) => message(a, "224.0.0.1", IGMP, "1164000000000000")],
  ["a query of MLD (RFC 2710)", (a) => message6(a, ALL_NODES, `8200000000640000${NONE}`)],
  ["a hello of PIM (RFC 7761)", (a) => message(a, "224.0.0.13", PIM, "20000000")],
  ["an advertisement by IGMP (RFC 4286)", (a) => message(a, "224.0.0.106", IGMP, "3014000000000000")],
  ["an advertisement by ICMPv6 (RFC 4286)", (a) => message6(a, "ff02000000000000000000000000006a", "9714000000000000")],
];

const GROUP6 = "ff05000000000000000000000000000";
/** What a member of a group says, in each version of IGMP and MLD. */
const memberships: readonly Says[] = [
  ["239.1.2.1", (a) => message(a, "239.1.2.1", IGMP, "12000000ef010201")],
  ["239.1.2.2", (a) => message(a, "239.1.2.2", IGMP, "16000000ef010202")],
  ["239.1.2.3", (a) => message(a, "224.0.0.22", IGMP, "220000000000000104000000ef010203")],
  ["ff05::1", (a) => message6(a, `${GROUP6}1`, `8300000000000000${GROUP6}1`)],
  ["ff05::2", (a) => message6(a, "ff020000000000000000000000000016", `8f0000000000000104000000${GROUP6}2`)],
];

/** What the bridge knows: the groups of a port, and the ports that get every multicast. */
async function snooped(port: string): Promise<{ groups: readonly string[]; routers: readonly string[] }> {
  const { stdout } = await spawn(["bridge", "-d", "-j", "mdb", "show", "dev", NAME]);
  const [{ mdb, router }] = JSON.parse(stdout) as [
    { mdb: { port: string; grp: string }[]; router: Record<string, { port: string }[]> },
  ];
  return {
    groups: mdb.filter((entry) => entry.port === port).map(({ grp }) => grp),
    routers: (router[NAME] ?? []).map((entry) => entry.port),
  };
}

/** Waits until the host has heard everything: it keeps who asked it last. */
async function heardByHost(a: Attacker): Promise<void> {
  a.send(ethernet(EVERYONE, a.mac, ARP, arp(1, [a.mac, a.address], ["00:00:00:00:00:00", a.gateway])));
  const known = async () => (await spawn(["ip", "neigh", "show", a.address, "dev", NAME])).stdout;
  await expect.poll(known, { timeout: 10_000 }).toContain(a.mac);
}

describe("an instance that says what a querier or a router of multicasts says", () => {
  it(
    "is taken for neither, and gets the multicasts of its own groups alone",
    requires(TUN, async () => {
      const a = await attacker(place);
      for (const [, frame] of [...claims, ...memberships]) a.send(frame(a));
      await heardByHost(a);
      const { groups, routers } = await snooped(a.port);
      expect(routers).toEqual([]);
      expect(groups.toSorted()).toEqual(memberships.map(([group]) => group));
    }),
  );

  it.for(claims)("is taken for one with filter: false, by %s", ([, frame], context) =>
    requires<TestContext>(TUN, async () => {
      const a = await attacker(place, { filter: false });
      a.send(frame(a));
      await heardByHost(a);
      expect((await snooped(a.port)).routers).toEqual([a.port]);
    })(context),
  );
});
