import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ConfigError, NotFoundError } from "../../src/errors/all.ts";
import { DevicesSchema } from "../../src/model/device/device.ts";
import { requires } from "../../src/testing/requires.ts";
import { ManagedPlace, NEEDS, owner } from "./fixtures/managed-place.ts";

const NAME = `pilr${process.pid}`;

let place: ManagedPlace;

beforeEach(async () => {
  place = await ManagedPlace.make(NAME, `r${process.pid}`.padEnd(10, "0"));
});
afterEach(() => place[Symbol.asyncDispose]());

describe("reservations", () => {
  it(
    "are the same when repeated, all or nothing over several networks, and gone after release",
    requires(NEEDS, async () => {
      await place.networks.create({ name: NAME });
      const a = await place.reserve("a");
      expect(await place.reserve("a")).toEqual(a);
      const second = `${NAME}z`;
      await place.networks.create({ name: second });
      place.cleanup.push(() => place.networks.delete(second));
      const devices = DevicesSchema.parse({
        eth0: { type: "nic", network: NAME },
        eth1: { type: "nic", network: second, ipv4: "192.0.2.77" },
      });
      await expect(place.networks.reserve(owner("b"), devices)).rejects.toBeInstanceOf(ConfigError);
      expect(await place.networks.attachments(owner("b"))).toEqual([]);
      await expect(
        place.networks.reserve(owner("b"), { ...devices, eth2: { type: "nic", network: "none" } }),
      ).rejects.toBeInstanceOf(NotFoundError);

      const both = DevicesSchema.parse({ eth0: devices["eth0"], eth1: { type: "nic", network: second } });
      expect((await place.networks.reserve(owner("b"), both)).map(({ network }) => network)).toEqual([NAME, second]);
      const one = await place.networks.reserve(owner("b"), DevicesSchema.parse({ eth1: both["eth1"] }));
      expect(one.map(({ device }) => device)).toEqual(["eth1"]);
      await place.networks.release(owner("b"));
      expect(await place.networks.attachments(owner("b"))).toEqual([]);
    }),
  );

  it(
    "have different addresses when many are made at once",
    requires(NEEDS, async () => {
      await place.networks.create({ name: NAME });
      const names = Array.from({ length: 12 }, (_, i) => `c${i}`);
      const all = await Promise.all(names.map((name) => place.reserve(name)));
      expect(new Set(all.map(({ ipv4 }) => ipv4.address)).size).toBe(names.length);
      for (const name of names) await place.networks.release(owner(name));
    }),
  );

  it(
    "give an address that two ask for at once to one of them, and refuse it to the other",
    requires(NEEDS, async () => {
      const { ipv4 } = await place.networks.create({ name: NAME });
      const address = ipv4.address.replace(/\d+\/\d+$/, "77");
      const asked = await Promise.allSettled(["a", "b"].map((name) => place.reserve(name, { ipv4: address })));
      const refused = asked.flatMap((result) => (result.status === "rejected" ? [String(result.reason)] : []));
      expect(refused).toEqual([expect.stringMatching(/devices\.eth0\.ipv4.* is that of instance "[ab]"/)]);
    }),
  );
});
