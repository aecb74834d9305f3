import { readFile, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { joinBridge } from "../../src/network/link.ts";
import { spawn } from "../../src/system/spawn.ts";
import { requires } from "../../src/testing/requires.ts";
import { ManagedPlace, NEEDS, owner } from "./fixtures/managed-place.ts";

const NAME = `pilp${process.pid}`;
const SETTINGS = ["disable_ipv6", "accept_ra"];
const WITH_IPV6 = [...NEEDS, "file:/proc/sys/net/ipv6/conf/all/disable_ipv6"] as const;

let place: ManagedPlace;

beforeEach(async () => {
  place = await ManagedPlace.make(NAME, `p${process.pid}`.padEnd(10, "0"));
});
afterEach(() => place[Symbol.asyncDispose]());

const path = (port: string, setting: string) => `/proc/sys/net/ipv6/conf/${port}/${setting}`;

async function settings(port: string): Promise<readonly string[]> {
  return Promise.all(SETTINGS.map(async (setting) => (await readFile(path(port, setting), "latin1")).trim()));
}

const [OFF, ON] = [
  ["1", "0"],
  ["0", "1"],
];

/** The host's end of an instance's nic as the kernel makes it, and as liblxc puts it on the bridge after a reboot. */
async function rebooted() {
  await place.networks.create({ name: NAME });
  const { attachment } = await place.instance("a");
  const { hostInterface: port } = attachment;
  expect(await settings(port)).toEqual(OFF);
  for (const [index, setting] of SETTINGS.entries()) await writeFile(path(port, setting), ON[index] ?? "");
  expect(await settings(port)).toEqual(ON);
  return port;
}

describe("the host's end of a nic", () => {
  it(
    "loses its IPv6 once the networks of running instances are looked at, however whole these are",
    requires(WITH_IPV6, async () => {
      const port = await rebooted();
      await place.networks.restore(new Set([owner("b").uuid]));
      expect(await settings(port)).toEqual(ON);
      await place.networks.restore(new Set([owner("a").uuid]));
      expect(await settings(port)).toEqual(OFF);
    }),
  );

  it(
    "loses its IPv6 with every repair of its network",
    requires(WITH_IPV6, async () => {
      const port = await rebooted();
      await spawn(["nft", "delete", "table", "inet", `pileus_${NAME}`]);
      await place.networks.create({ name: NAME });
      expect(await settings(port)).toEqual(OFF);
    }),
  );

  it(
    "is one that Pileus made: others on the bridge keep their settings",
    requires(WITH_IPV6, async () => {
      const port = await rebooted();
      const [foreign, peer] = [`pilx${process.pid}`, `pily${process.pid}`];
      await spawn(["ip", "link", "add", "name", foreign, "type", "veth", "peer", "name", peer]);
      place.cleanup.push(() => spawn(["ip", "link", "del", "dev", foreign]));
      await joinBridge(foreign, NAME);
      for (const [index, setting] of SETTINGS.entries()) await writeFile(path(foreign, setting), ON[index] ?? "");
      await place.networks.restore(new Set([owner("a").uuid]));
      expect([await settings(port), await settings(foreign)]).toEqual([OFF, ON]);
    }),
  );
});
