import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { requires } from "../../src/testing/requires.ts";
import { attacker, neighbour } from "./fixtures/attacker.ts";
import { allowed, refused, solicitation, UNSPECIFIED } from "./fixtures/forged.ts";
import { ethernet, icmpv6, ipv6, solicitedNode } from "./fixtures/frames.ts";
import { ManagedPlace, NEEDS } from "./fixtures/managed-place.ts";

const NAME = `pilg${process.pid}`;
const TUN = [...NEEDS, "tun"] as const;
const IPV6 = 0x86dd;
const ICMPV6 = 58;

let place: ManagedPlace;

beforeEach(async () => {
  place = await ManagedPlace.make(NAME, `g${process.pid}`.padEnd(10, "0"));
  await place.networks.create({ name: NAME });
});
afterEach(() => place[Symbol.asyncDispose]());

describe("an instance that writes its own frames", () => {
  for (const filter of [true, false])
    it(
      `${filter ? "sends its neighbours what is its own, and" : "sends, with filter: false,"} ${filter ? "no" : "each"} forged frame`,
      requires(TUN, async () => {
        const [a, b] = [await attacker(place, { filter }), await neighbour(place, "b")];
        const counted = await b.namespace.countFrames(place.folder, `ether saddr ${a.mac}`);
        // Each is followed by one question, which comes through, and answers that the namespace does not count.
        for (const [what, frames] of Object.entries({ ...refused, "what is its own": allowed })) {
          const isOwn = what === "what is its own";
          for (const [index, frame] of frames(a, b).entries()) {
            const before = await counted();
            a.send(frame);
            await a.heardBy(b);
            expect({ what, index, arrived: (await counted()) - before - 1 }).toEqual({
              what,
              index,
              arrived: filter && !isOwn ? 0 : 1,
            });
            await b.namespace.run(..."ip neigh flush all".split(" "));
          }
        }
      }),
    );

  for (const filter of [true, false])
    it(
      `${filter ? "keeps no" : "keeps, with filter: false, a"} neighbour from having its IPv6 address`,
      requires(TUN, async () => {
        const [a, b] = [await attacker(place, { filter }), await neighbour(place, "b")];
        const to = solicitedNode(b.link);
        const message = icmpv6(UNSPECIFIED, to.address, solicitation(b.link));
        const probe = ethernet(to.mac, a.mac, IPV6, ipv6(UNSPECIFIED, to.address, ICMPV6, message));
        const address = (b.link.match(/.{4}/g) ?? []).join(":");
        const settled = async () => {
          const shown = await b.namespace.run(..."ip -6 addr show dev eth0 scope link".split(" "));
          return /dadfailed/.test(shown) ? "lost" : /inet6/.test(shown) && !/tentative/.test(shown) ? "has it" : "asks";
        };
        const probing = setInterval(() => a.send(probe), 20);
        try {
          await b.namespace.run(..."ip -6 addr flush dev eth0 scope link".split(" "));
          await b.namespace.run(..."ip -6 addr add dev eth0".split(" "), `${address}/64`);
          await expect.poll(settled, { timeout: 10_000 }).not.toBe("asks");
          expect(await settled()).toBe(filter ? "has it" : "lost");
        } finally {
          clearInterval(probing);
        }
      }),
    );
});
