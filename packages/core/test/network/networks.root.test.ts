import { existsSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AlreadyExistsError, NotFoundError } from "../../src/errors/all.ts";
import { interfaceNames, removeInterface } from "../../src/network/link.ts";
import { openNetworks } from "../../src/network/networks.ts";
import { type Spawn, spawn } from "../../src/system/spawn.ts";
import { requires } from "../../src/testing/requires.ts";
import { ManagedPlace, NEEDS, owner } from "./fixtures/managed-place.ts";
import { Namespace } from "./fixtures/namespace.ts";

const NAME = `pilt${process.pid}`;
const HOST = `t${process.pid}`.padEnd(10, "0");

let place: ManagedPlace;

beforeEach(async () => {
  place = await ManagedPlace.make(NAME, HOST);
});
afterEach(() => place[Symbol.asyncDispose]());

describe("a managed network", () => {
  it(
    "gives each instance exactly its reserved address by DHCP, and resolves the names of the others until they are released",
    requires(NEEDS, async () => {
      const info = await place.networks.create({ name: NAME, dns: { domain: "lab.pileus" } });
      expect(info).toMatchObject({ name: NAME, up: true, ipv4: { nat: true } });
      const a = await place.instance("a");
      const b = await place.instance("b");
      for (const [name, { attachment, namespace }] of Object.entries({ a, b })) {
        const { address, gateway, prefix } = attachment.ipv4;
        expect(await namespace.dhcp(place.folder)).toEqual({
          ip: address,
          mask: `${prefix}`,
          router: gateway,
          dns: gateway,
          domain: "lab.pileus",
          hostname: name,
          lease: "4294967295",
        });
      }
      const server = a.attachment.ipv4.gateway;
      expect(await a.namespace.resolve("b.lab.pileus", server)).toEqual([b.attachment.ipv4.address]);
      expect(await b.namespace.resolve("a.lab.pileus", server)).toEqual([a.attachment.ipv4.address]);
      expect(await a.namespace.run("busybox", "ping", "-c", "1", "-W", "2", b.attachment.ipv4.address)).toContain(
        "1 packets received",
      );

      await place.networks.release(owner("b"));
      expect(await interfaceNames()).not.toContain(b.attachment.hostInterface);
      expect(await a.namespace.resolve("b.lab.pileus", server)).toEqual([]);
    }),
  );

  it(
    "resolves another name of an instance from the moment on that it has it, and the old one no longer",
    requires(NEEDS, async () => {
      await place.networks.create({ name: NAME, dns: { domain: "lab.pileus" } });
      const a = await place.instance("a");
      const b = await place.instance("b");
      const { address, gateway } = b.attachment.ipv4;
      await a.namespace.dhcp(place.folder);
      await place.networks.rename({ ...owner("b"), name: "c" });
      expect(await a.namespace.resolve("c.lab.pileus", gateway)).toEqual([address]);
      expect(await a.namespace.resolve("b.lab.pileus", gateway)).toEqual([]);
      expect(await b.namespace.dhcp(place.folder)).toMatchObject({ ip: address, hostname: "c" });
      await expect(place.networks.delete(NAME)).rejects.toMatchObject({ users: ["a", "c"] });
    }),
  );

  it(
    "resolves the name of an instance again after a process died between the reservation and its server",
    requires(NEEDS, async () => {
      await place.networks.create({ name: NAME, dns: { domain: "lab.pileus" } });
      const a = await place.instance("a");
      const { address, gateway } = a.attachment.ipv4;
      await a.namespace.dhcp(place.folder);
      await place.networks.rename({ ...owner("a"), name: "b" });
      const path = join(place.folder, "networks", NAME, "reservations", `${owner("a").uuid}.json`);
      await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, "utf8")), instance: "a" }));
      await place.networks.rename(owner("a"));
      expect(await a.namespace.resolve("a.lab.pileus", gateway)).toEqual([address]);
      expect(await a.namespace.resolve("b.lab.pileus", gateway)).toEqual([]);
    }),
  );

  it(
    "gives no address to an unknown interface",
    requires(NEEDS, async () => {
      await place.networks.create({ name: NAME });
      const a = await place.reserve("a");
      await using stranger = await Namespace.make();
      await stranger.plug({ ...a, mac: "02:00:00:00:00:99" });
      expect(await stranger.dhcp(place.folder)).toEqual({});
    }),
  );

  it(
    "gives a released address to its next holder, although the former one leased it for ever",
    requires(NEEDS, async () => {
      await place.networks.create({ name: NAME, ipv4: "10.203.7.1/24" });
      const a = await place.instance("a");
      await a.namespace.dhcp(place.folder);
      const address = a.attachment.ipv4.address;
      await place.networks.release(owner("a"));
      const b = await place.reserve("b", { ipv4: address });
      await using namespace = await Namespace.make();
      await namespace.plug(b);
      expect(await namespace.dhcp(place.folder)).toMatchObject({ ip: address, hostname: "b" });
      expect(await namespace.resolve("b.pileus", b.ipv4.gateway)).toEqual([address]);
      expect(await namespace.resolve("a.pileus", b.ipv4.gateway)).toEqual([]);
    }),
  );

  it(
    "is chosen clear of the routes of every table, and where its caller wants it only of those of the main one",
    requires(NEEDS, async () => {
      const ranges = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];
      const vpn = ranges.map((dst) => ({ dst, dev: "vpn0", table: "52" }));
      const beside: Spawn = async (argv, options) => {
        const done = await spawn(argv, options);
        if (argv[0] !== "ip" || !argv.includes("table")) return done;
        return { ...done, stdout: JSON.stringify([...JSON.parse(done.stdout), ...vpn]) };
      };
      const folder = join(place.folder, "networks");
      const networks = openNetworks({ folder, hostId: HOST, spawn: beside });
      await expect(networks.create({ name: NAME })).rejects.toMatchObject({
        code: "ERR_CONFIG",
        issues: [{ path: ["ipv4", "address"] }],
      });
      expect(await networks.create({ name: NAME, ipv4: "10.203.9.1/24" })).toMatchObject({ up: true });
    }),
  );

  it(
    "is down while the host forwards nothing that arrives by its bridge, and is repaired",
    requires(NEEDS, async () => {
      await place.networks.create({ name: NAME });
      // As a new interface has it where net.ipv4.conf.default.forwarding is 0, or as a network manager sets it.
      const setting = `/proc/sys/net/ipv4/conf/${NAME}/forwarding`;
      await writeFile(setting, "0\n");
      expect((await place.networks.get(NAME)).up).toBe(false);
      expect(await place.networks.issues()).toEqual([
        { network: NAME, reason: expect.stringContaining("the host does not forward IPv4, or not from its bridge") },
      ]);
      await place.networks.create({ name: NAME });
      expect((await readFile(setting, "utf8")).trim()).toBe("1");
      expect((await place.networks.get(NAME)).up).toBe(true);
    }),
  );

  for (const nat of [true, false])
    it(
      `${nat ? "reaches" : "does not reach"} what has no route back to it with NAT ${nat ? "on" : "off"}`,
      requires(NEEDS, async () => {
        await place.networks.create({ name: NAME, ipv4: { nat } });
        const a = await place.instance("a");
        await a.namespace.dhcp(place.folder);
        // RFC 5737's TEST-NET-2. The outside knows the machine's own address there, and no route to the network.
        await using outside = await Namespace.make();
        const veth = `po${process.pid}`;
        await spawn(`ip link add name ${veth} type veth peer name eth0 netns ${outside.pid}`.split(" "));
        place.cleanup.push(() => removeInterface(veth));
        await spawn(`ip addr add 198.51.100.73/30 dev ${veth}`.split(" "));
        await spawn(`ip link set dev ${veth} up`.split(" "));
        await outside.run(..."ip addr add 198.51.100.74/30 dev eth0".split(" "));
        await outside.run(..."ip link set eth0 up".split(" "));
        const heard = await a.namespace.run(...`busybox ping -c 1 -W ${nat ? 5 : 1} 198.51.100.74`.split(" "));
        expect(heard).toContain(`${nat ? 1 : 0} packets received`);
      }),
    );

  it(
    "is created once: a second call does nothing with the same definition, and fails with another",
    requires(NEEDS, async () => {
      const [first, second] = await Promise.all([
        place.networks.create({ name: NAME }),
        place.networks.create({ name: NAME }),
      ]);
      expect(second).toEqual(first);
      expect(await place.networks.create({ name: NAME, ipv4: first.ipv4.address })).toEqual(first);
      await expect(place.networks.create({ name: NAME, ipv4: { nat: false } })).rejects.toBeInstanceOf(
        AlreadyExistsError,
      );
      expect(await place.networks.list()).toEqual([first]);
    }),
  );

  it(
    "does not touch an interface or a network of another root that has its name",
    requires(NEEDS, async () => {
      const mine = await place.networks.create({ name: NAME });
      const theirs = openNetworks({ folder: join(place.folder, "theirs"), hostId: "another000" });
      await expect(theirs.create({ name: NAME })).rejects.toMatchObject({
        code: "ERR_INTERFACE_EXISTS",
        message: expect.stringContaining("this root did not make it: choose another name"),
      });
      await theirs.delete(NAME);
      expect(await place.networks.list()).toEqual([mine]);
      expect(await readdir(join(place.folder, "theirs"))).toEqual([]);
      await expect(theirs.create({ name: "lo" })).rejects.toThrow("loopback");
      await expect(theirs.create({ name: `${NAME}b`.slice(-15), ipv4: mine.ipv4.address })).rejects.toThrow(
        "overlaps the route",
      );
    }),
  );

  it(
    "does not touch, when deleted, an interface that took its name after its bridge went, nor its rules",
    requires(NEEDS, async () => {
      await place.networks.create({ name: NAME });
      await removeInterface(NAME);
      await spawn(`ip link add name ${NAME} type bridge`.split(" "));
      place.cleanup.push(
        () => removeInterface(NAME),
        () => spawn(["nft", "delete", "table", "inet", `pileus_${NAME}`]),
      );
      await place.networks.delete(NAME);
      expect(await interfaceNames()).toContain(NAME);
      expect((await spawn(["nft", "list", "table", "inet", `pileus_${NAME}`])).stdout).toContain("chain");
    }),
  );

  it(
    "cannot be deleted while instances use it, and then leaves nothing",
    requires(NEEDS, async () => {
      await place.networks.create({ name: NAME });
      await place.reserve("a");
      expect(await place.traces()).not.toEqual([]);
      await expect(place.networks.delete(NAME)).rejects.toThrow(`network "${NAME}" is in use by a`);
      await place.networks.release(owner("a"));
      await place.networks.release(owner("a"));
      await place.networks.delete(NAME);
      await place.networks.delete(NAME);
      expect(await place.traces()).toEqual([]);
      expect(await readdir(join(place.folder, "networks"))).toEqual([]);
      expect(existsSync("/run/pileus-network.lock")).toBe(false);
      await expect(place.networks.get(NAME)).rejects.toBeInstanceOf(NotFoundError);
    }),
  );
});
