import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { spawn } from "../../src/system/spawn.ts";
import { requires } from "../../src/testing/requires.ts";
import { type Attacker, attacker } from "./fixtures/attacker.ts";
import {
  ALL_NODES,
  arp,
  EVERYONE,
  ethernet,
  icmpv6,
  ipv6,
  RawNic,
  routerAdvertisement,
  tagged,
  udp,
} from "./fixtures/frames.ts";
import { ManagedPlace, NEEDS, owner } from "./fixtures/managed-place.ts";

const NAME = `pilr${process.pid}`;
const TUN = [...NEEDS, "tun"] as const;
const [ARP, IPV4, IPV6] = [0x0806, 0x0800, 0x86dd];
/** IEEE 802.1D, table 7-10. */
const RESERVED = Array.from({ length: 16 }, (_, last) => `01:80:c2:00:00:0${last.toString(16)}`);
// RFC 5737: no address of the network.
const FORGED = "203.0.113.9";

let place: ManagedPlace;

beforeEach(async () => {
  place = await ManagedPlace.make(NAME, `r${process.pid}`.padEnd(10, "0"));
});
afterEach(() => place[Symbol.asyncDispose]());

/** A service of the host that the network allows, and what has been said to it. */
async function service() {
  const socket = createSocket("udp4").bind(0);
  await once(socket, "listening");
  place.cleanup.push(async () => socket.close());
  const heard: string[] = [];
  socket.on("message", (text) => heard.push(String(text)));
  const { port } = socket.address();
  await place.networks.create({ name: NAME, host: { allow: [`${port}/udp`] } });
  return { port, heard };
}

/** The bridge as the kernel makes it, and the host without our rules. */
async function withoutCure({ port }: Attacker): Promise<void> {
  for (const family of ["inet", "bridge"]) await spawn(["nft", "delete", "table", family, `pileus_${NAME}`]);
  await spawn(["ip", "link", "set", "dev", NAME, "type", "bridge", "group_fwd_mask", "0"]);
  for (const [setting, value] of [
    ["accept_ra", "1"],
    ["disable_ipv6", "0"],
  ])
    await writeFile(`/proc/sys/net/ipv6/conf/${port}/${setting}`, `${value}`);
}

const shown = async (...argv: readonly string[]) => (await spawn(["ip", ...argv])).stdout;

describe("an instance that sends to the addresses of the next bridge", () => {
  for (const cured of [true, false])
    it(
      `${cured ? "reaches no service of the host, with or without its filter" : "without our rules reaches every service of the host from any address"}`,
      requires(TUN, async () => {
        const { port, heard } = await service();
        for (const filter of [true, false]) {
          heard.length = 0;
          const a = await attacker(place, { filter });
          if (!cured) await withoutCure(a);
          const say = (to: string, from: string, text: string) =>
            ethernet(to, a.mac, IPV4, udp(from, a.gateway, [7002, port], Buffer.from(text)));
          for (const to of RESERVED) {
            a.send(say(to, FORGED, to));
            a.send(tagged(say(to, FORGED, to)));
          }
          a.send(say(EVERYONE, a.address, "last"));
          await expect.poll(() => heard, { timeout: 10_000 }).toContain("last");
          // Linux drops 01, and takes 00 for a multicast.
          const reached = cured ? [] : RESERVED.filter((to) => !to.endsWith("01"));
          expect(new Set(heard)).toEqual(new Set([...reached, "last"]));
          await place.networks.release(owner("a"));
        }
      }),
    );

  for (const cured of [true, false])
    it(
      `${cured ? "becomes neither the host's router nor its neighbour" : "without our rules becomes the host's router, and its neighbour"}`,
      requires(TUN, async () => {
        const { port, heard } = await service();
        const a = await attacker(place);
        if (!cured) await withoutCure(a);
        const advertisement = icmpv6(a.link, ALL_NODES, routerAdvertisement());
        const question = arp(1, [a.mac, FORGED], ["00:00:00:00:00:00", a.gateway]);
        for (const to of RESERVED) {
          a.send(ethernet(to, a.mac, IPV6, ipv6(a.link, ALL_NODES, 58, advertisement)));
          a.send(ethernet(to, a.mac, ARP, question));
        }
        a.send(ethernet(EVERYONE, a.mac, IPV4, udp(a.address, a.gateway, [7002, port], Buffer.from("last"))));
        await expect.poll(() => heard, { timeout: 10_000 }).toContain("last");
        expect((await shown("-6", "route", "show", "dev", a.port)).includes("2001:db8:77::/64")).toBe(!cured);
        // Linux remembers whom it has answered.
        expect((await shown("neigh", "show", "dev", a.port)).includes(FORGED)).toBe(!cured);
        expect((await readFile("/proc/net/if_inet6", "utf8")).includes(` ${a.port}\n`)).toBe(!cured);
      }),
    );

  it(
    "reaches no service of the host by an interface that has lost its bridge",
    requires(TUN, async () => {
      const { port, heard } = await service();
      const a = await attacker(place);
      const say = (text: string) =>
        ethernet(EVERYONE, a.mac, IPV4, udp(FORGED, a.gateway, [7002, port], Buffer.from(text)));
      await spawn(["ip", "link", "set", "dev", a.port, "nomaster"]);
      a.send(say("by the port"));
      for (const family of ["inet", "bridge"]) await spawn(["nft", "delete", "table", family, `pileus_${NAME}`]);
      a.send(say("without rules"));
      await expect.poll(() => heard, { timeout: 10_000 }).toContain("without rules");
      expect(heard).toEqual(["without rules"]);
    }),
  );

  it(
    "leaves such frames to the host on a bridge that is not ours",
    requires(TUN, async () => {
      const { port, heard } = await service();
      const a = await attacker(place);
      const [bridge, hostInterface] = [`pilf${process.pid}`, `pilt${process.pid}`];
      await spawn(["ip", "link", "add", bridge, "type", "bridge"]);
      place.cleanup.push(async () => void (await spawn(["ip", "link", "delete", bridge])));
      await spawn(["ip", "link", "set", "dev", bridge, "up"]);
      place.cleanup.push(async () => void (await spawn(["ip", "link", "delete", hostInterface])));
      using foreign = await RawNic.plug({ hostInterface, bridge });
      const state = () => readFile(`/sys/class/net/${hostInterface}/brport/state`, "utf8");
      await expect.poll(state, { timeout: 10_000 }).toBe("3\n");
      for (const to of RESERVED)
        foreign.send(ethernet(to, a.mac, IPV4, udp(FORGED, a.gateway, [7002, port], Buffer.from(to))));
      const reached = new Set(RESERVED.filter((to) => !to.endsWith("01")));
      await expect.poll(() => new Set(heard), { timeout: 10_000 }).toEqual(reached);
    }),
  );

  it(
    "finds the bridge as it must be again, once somebody has changed it",
    requires(TUN, async () => {
      const { port, heard } = await service();
      const a = await attacker(place);
      await spawn(["ip", "link", "set", "dev", NAME, "type", "bridge", "stp_state", "1", "group_fwd_mask", "0"]);
      expect(await place.networks.get(NAME)).toMatchObject({ up: false });
      for (const to of RESERVED)
        a.send(ethernet(to, a.mac, IPV4, udp(FORGED, a.gateway, [7002, port], Buffer.from(to))));
      await place.networks.create({ name: NAME, host: { allow: [`${port}/udp`] } });
      expect(await place.networks.get(NAME)).toMatchObject({ up: true });
      a.send(ethernet(EVERYONE, a.mac, IPV4, udp(a.address, a.gateway, [7002, port], Buffer.from("last"))));
      await expect.poll(() => heard, { timeout: 10_000 }).toContain("last");
      expect(heard).toEqual(["last"]);
    }),
  );
});
