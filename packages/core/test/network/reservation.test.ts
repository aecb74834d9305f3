import { describe, expect, it } from "vitest";
import { ConfigError, HostError } from "../../src/errors/all.ts";
import { type NicInput, NicSchema } from "../../src/model/device/nic.ts";
import { InterfaceNameSchema } from "../../src/model/name.ts";
import { bridgeMac, hostInterfaceName, nicMac } from "../../src/network/names.ts";
import { planReservation, type Reservation } from "../../src/network/reservation.ts";
import { isHostAddress, parseAddress, parseSubnet } from "../../src/network/subnet.ts";

const UUID = "7d9f3a52-3c0d-4d5e-9b1e-0d0a4f3f8f11";

function plan(
  nics: Record<string, Omit<Partial<NicInput>, "type">>,
  more: Partial<Parameters<typeof planReservation>[0]> = {},
) {
  return planReservation({
    hostId: "0123456789",
    owner: { name: "web", uuid: UUID },
    network: "br0",
    subnet: parseSubnet("10.90.0.1/24"),
    nics: Object.entries(nics).map(([device, nic]) => [
      device,
      NicSchema.parse({ type: "nic", network: "br0", ...nic }),
    ]),
    held: undefined,
    others: [],
    ...more,
  });
}

function other(instance: string, mac: string, address: string): Reservation {
  const nics = [{ device: "eth0", mac, address, hostInterface: "pil000000000000" }];
  return { version: 1, instance, uuid: instance, nics };
}

function issuesOf(work: () => unknown): readonly string[] {
  try {
    work();
  } catch (error) {
    if (error instanceof ConfigError) return error.issues.map((issue) => issue.path.join("."));
    throw error;
  }
  return [];
}

describe("a reservation", () => {
  it("gives each nic an address of its own in the network, a MAC and a name on the host", () => {
    const { nics } = plan({ eth0: {}, eth1: {} });
    expect(new Set(nics.map((nic) => nic.address)).size).toBe(2);
    for (const nic of nics) {
      expect(isHostAddress(parseSubnet("10.90.0.1/24"), parseAddress(nic.address))).toBe(true);
      expect(NicSchema.shape.hwaddr.safeParse(nic.mac).success).toBe(true);
      expect(nic.mac).toMatch(/^02:/);
      expect(nic.hostInterface).toHaveLength(15);
      expect(InterfaceNameSchema.safeParse(nic.hostInterface).success).toBe(true);
    }
  });

  it("has neither the MAC of the bridge, nor no filter where the network has a policy", () => {
    const hwaddr = bridgeMac("0123456789", "br0");
    expect(issuesOf(() => plan({ eth0: { hwaddr } }))).toEqual(["devices.eth0.hwaddr"]);
    for (const egress of [{ allow: [] }, { deny: ["10.0.0.0/8"] }, { dns: false }])
      expect(issuesOf(() => plan({ eth0: { filter: false }, eth1: {} }, { egress }))).toEqual(["devices.eth0.filter"]);
    for (const egress of [undefined, {}, { deny: [], dns: true }])
      expect(plan({ eth0: { filter: false } }, { egress }).nics).toHaveLength(1);
  });

  it("keeps what a later release added to it when it changes", () => {
    const held = plan({ eth0: {}, eth1: {} });
    const later = {
      ...held,
      minReader: 1,
      novelty: 1,
      nics: held.nics.map((nic) => ({ ...nic, novelty: nic.device })),
    };
    expect(plan({ eth0: { host: { allow: [22] } } }, { held: later })).toEqual({
      ...later,
      nics: [{ ...later.nics[0], host: { allow: [22] } }],
    });
  });

  it("has what the nic may send and reach, and is filtered unless the nic asks for the opposite", () => {
    const access = { egress: { deny: ["10.0.0.0/8"] }, host: { allow: [22] } } as const;
    const { nics } = plan({ eth0: access, eth1: { filter: false }, eth2: { filter: true } });
    const ids = ["device", "mac", "address", "hostInterface"];
    expect(nics.map((nic) => Object.keys(nic))).toEqual([[...ids, "egress", "host"], [...ids, "filter"], ids]);
    expect(nics).toMatchObject([{ egress: { deny: ["10.0.0.0/8"] }, host: { allow: [22] } }, { filter: false }, {}]);
  });

  it("is the same when repeated, whatever others took meanwhile", () => {
    const held = plan({ eth0: {}, eth1: { ipv4: "10.90.0.9" } });
    const others = [other("db", "02:aa:aa:aa:aa:aa", "10.90.0.77")];
    expect(plan({ eth0: {}, eth1: { ipv4: "10.90.0.9" } }, { held, others })).toEqual(held);
  });

  it("keeps its addresses when a nic is added, and the new nic never takes one of them", () => {
    const subnet = parseSubnet("10.90.0.1/29");
    const held = plan({ eth4: {} }, { subnet });
    const all = plan({ eth0: {}, eth1: {}, eth2: {}, eth3: {}, eth4: {} }, { subnet, held });
    expect(all.nics.find((nic) => nic.device === "eth4")).toEqual(held.nics[0]);
    expect(new Set(all.nics.map((nic) => nic.address)).size).toBe(5);
  });

  it("gives the addresses of the configuration", () => {
    const { nics } = plan({ eth0: { hwaddr: "02:00:00:aa:bb:cc", ipv4: "10.90.0.200" } });
    expect(nics).toMatchObject([{ mac: "02:00:00:aa:bb:cc", address: "10.90.0.200" }]);
  });

  it.each(["10.90.0.0", "10.90.0.1", "10.90.0.255", "10.91.0.7", "192.0.2.7"])(
    "refuses %s, which cannot be the address of an instance on the network",
    (address) => {
      expect(issuesOf(() => plan({ eth0: { ipv4: address } }))).toEqual(["devices.eth0.ipv4"]);
    },
  );

  it("refuses what another instance or nic has, and names each", () => {
    const others = [other("db", "02:aa:aa:aa:aa:aa", "10.90.0.7")];
    const nics = {
      eth0: { ipv4: "10.90.0.7", hwaddr: "02:aa:aa:aa:aa:aa" },
      eth1: { ipv4: "10.90.0.8" },
      eth2: { ipv4: "10.90.0.8" },
    };
    expect(issuesOf(() => plan(nics, { others })).toSorted()).toEqual([
      "devices.eth0.hwaddr",
      "devices.eth0.ipv4",
      "devices.eth2.ipv4",
    ]);
    expect(() => plan({ eth0: { ipv4: "10.90.0.7" } }, { others })).toThrow('that of instance "db"');
  });

  it("fills the network to its last address, then throws HostError with the fix", () => {
    const others: Reservation[] = [];
    for (let i = 0; i < 253; i++) {
      const owner = { name: `i${i}`, uuid: `${i}` };
      const next = plan({ eth0: {} }, { others, owner });
      others.push(next);
    }
    expect(new Set(others.flatMap(({ nics }) => nics.map((nic) => nic.address))).size).toBe(253);
    expect(() => plan({ eth0: {} }, { others })).toThrow(HostError);
    expect(() => plan({ eth0: {} }, { others })).toThrow("all of 10.90.0.0/24 are reserved; fix: delete instances");
  });

  it("seldom gives a new instance an address that was just released", () => {
    const given = Array.from({ length: 50 }, (_, i) => plan({ eth0: {} }, { owner: { name: "a", uuid: `u${i}` } }));
    const addresses = given.map(({ nics }) => nics[0]?.address);
    expect(new Set(addresses).size).toBeGreaterThan(40);
  });
});

describe("derived names", () => {
  it("are the same for the same nic, and differ between hosts, instances and devices", () => {
    expect(hostInterfaceName("h", UUID, "eth0")).toBe(hostInterfaceName("h", UUID, "eth0"));
    const names = ["a", "b"].flatMap((host) =>
      ["u1", "u2"].flatMap((uuid) => ["eth0", "eth1"].map((device) => hostInterfaceName(host, uuid, device))),
    );
    expect(new Set(names).size).toBe(8);
    expect(
      new Set([nicMac("u1", "eth0"), nicMac("u1", "eth1"), nicMac("u2", "eth0"), bridgeMac("u1", "eth0")]).size,
    ).toBe(4);
  });
});
