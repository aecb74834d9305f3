import { spawn as spawnProcess } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { renderFilterTable } from "../../src/network/render-filter.ts";
import { spawn } from "../../src/system/spawn.ts";
import { requires } from "../../src/testing/requires.ts";
import { ManagedPlace, NEEDS, owner } from "./fixtures/managed-place.ts";
import type { Namespace } from "./fixtures/namespace.ts";

const NAME = `pilf${process.pid}`;

let place: ManagedPlace;

beforeEach(async () => {
  place = await ManagedPlace.make(NAME, `f${process.pid}`.padEnd(10, "0"));
});
afterEach(() => place[Symbol.asyncDispose]());

const ping = "busybox ping -c 1 -W 2".split(" ");
const reaches = async (from: Namespace, to: string) => (await from.run(...ping, to)).includes("1 packets received");

/** An instance with its address, set by DHCP. */
async function online(name: string, more: { readonly filter?: boolean } = {}) {
  const made = await place.instance(name, more);
  expect((await made.namespace.dhcp(place.folder))["ip"]).toBe(made.attachment.ipv4.address);
  return { ...made, ...made.attachment.ipv4 };
}

describe("an instance on a managed network", () => {
  it(
    "gets its address and reaches the host and its neighbours, also by IPv6 and while others are reserved and released",
    requires(NEEDS, async () => {
      await place.networks.create({ name: NAME });
      const [a, b] = [await online("a"), await online("b")];
      expect(await reaches(a.namespace, b.address)).toBe(true);
      expect(await reaches(a.namespace, a.gateway)).toBe(true);
      const shown = await b.namespace.run(..."ip -6 -o addr show dev eth0 scope link".split(" "));
      const link = /fe80::[0-9a-f:]+/.exec(shown)?.[0];
      await expect.poll(() => reaches(a.namespace, `${link}%eth0`), { timeout: 10_000 }).toBe(true);
      await place.reserve("c");
      expect(await place.networks.get(NAME)).toMatchObject({ up: true });
      await place.networks.release(owner("c"));
      expect(await place.networks.get(NAME)).toMatchObject({ up: true });
    }),
  );

  for (const filter of [true, false])
    it(
      `${filter ? "reaches nobody from" : "may use, with filter: false,"} another MAC or address`,
      requires(NEEDS, async () => {
        await place.networks.create({ name: NAME });
        const [a, b] = [await online("a", { filter }), await online("b")];
        const other = b.address.replace(/\d+$/, (last) => `${last === "77" ? 78 : 77}`);
        await a.namespace.run(..."ip addr add".split(" "), `${other}/24`, "dev", "eth0");
        for (const to of [b.address, a.gateway]) {
          const heard = await a.namespace.run(...ping, "-I", other, to);
          expect(heard.includes("1 packets received")).toBe(!filter);
        }
        await a.namespace.run(..."ip link set dev eth0 address 02:00:00:00:00:99".split(" "));
        await a.namespace.run(..."ip neigh flush all".split(" "));
        for (const to of [b.address, a.gateway]) expect(await reaches(a.namespace, to)).toBe(!filter);
      }),
    );

  for (const filter of [true, false])
    it(
      `${filter ? "cannot" : "can, with filter: false,"} take the addresses of the gateway and of a neighbour by ARP`,
      requires(NEEDS, async () => {
        await place.networks.create({ name: NAME });
        const [a, b, c] = [await online("a"), await online("b", { filter }), await online("c")];
        // Otherwise the kernel keeps a recent entry, whatever it receives (kernel, ip-sysctl.rst).
        await a.namespace.run("sh", "-c", "echo 0 >/proc/sys/net/ipv4/neigh/eth0/locktime");
        for (const stolen of [a.gateway, c.address]) {
          expect(await reaches(a.namespace, stolen)).toBe(true);
          await b.namespace.run(..."ip addr add".split(" "), `${stolen}/32`, "dev", "eth0");
          for (const kind of ["-U", "-A"])
            await b.namespace.run(...`busybox arping ${kind} -c 1 -I eth0 -s ${stolen} ${stolen}`.split(" "));
          const known = await a.namespace.run("ip", "neigh", "show", stolen);
          expect(known.includes(b.attachment.mac)).toBe(!filter);
        }
      }),
    );

  it(
    "answers nobody as a DHCP server",
    requires(NEEDS, async () => {
      await place.networks.create({ name: NAME });
      const [a, b] = [await online("a"), await online("b")];
      const listen = `for (const port of [68, 1068])
        require("dgram").createSocket("udp4").bind(port, () => console.log("bound"))
          .on("message", (text) => { console.log(String(text)); })`;
      const argv = [`--net=/proc/${a.namespace.pid}/ns/net`, process.execPath, "-e", listen];
      const listener = spawnProcess("nsenter", argv, { stdio: ["ignore", "pipe", "inherit"] });
      try {
        const lines = createInterface(listener.stdout)[Symbol.asyncIterator]();
        for (const _ of [68, 1068]) expect((await lines.next()).value).toBe("bound");
        const send = async (port: number, to: number, text: string) => {
          const script = `const socket = require("dgram").createSocket("udp4");
            socket.bind(${port}, () => socket.send("${text}", ${to}, "${a.address}", () => socket.close()))`;
          await b.namespace.run(process.execPath, "-e", script);
        };
        await send(67, 68, "of a server");
        await send(1067, 68, "of a server with another port");
        await send(67, 1068, "to another program");
        expect((await lines.next()).value).toBe("to another program");
      } finally {
        listener.kill("SIGKILL");
      }
    }),
  );

  it(
    "reaches the host but not its neighbours on an isolated network, not even through the host",
    requires([...NEEDS, "file:/etc/protocols"], async () => {
      await place.networks.create({ name: NAME, isolated: true });
      const [a, b] = [await online("a"), await online("b")];
      expect(await reaches(a.namespace, a.gateway)).toBe(true);
      expect(await reaches(a.namespace, b.address)).toBe(false);
      await a.namespace.run("ip", "route", "add", `${b.address}/32`, "via", a.gateway);
      expect(await reaches(a.namespace, b.address)).toBe(false);
    }),
  );
});

describe("an instance whose reservation is damaged while it runs", () => {
  for (const damage of ["cut short", "gone"])
    it(
      `reaches nobody when its file is ${damage}, is named, and reaches everybody again once the file is restored`,
      requires(NEEDS, async () => {
        await place.networks.create({ name: NAME });
        const [a, b] = [await online("a"), await online("b")];
        const file = join(place.folder, "networks", NAME, "reservations", `${owner("a").uuid}.json`);
        const whole = await readFile(file);
        await (damage === "gone" ? rm(file) : writeFile(file, whole.subarray(0, 40)));
        await place.networks.restore(new Set([owner("b").uuid]));
        for (const to of [b.address, a.gateway]) expect(await reaches(a.namespace, to)).toBe(false);
        expect(await reaches(b.namespace, b.gateway)).toBe(true);
        const reasons = (await place.networks.issues()).map(({ reason }) => reason).join("\n");
        expect(reasons).toContain(a.attachment.hostInterface);
        if (damage !== "gone") expect(reasons).toContain(file);
        await writeFile(file, whole);
        await place.networks.restore(new Set([owner("b").uuid]));
        for (const to of [b.address, a.gateway]) expect(await reaches(a.namespace, to)).toBe(true);
        expect(await place.networks.issues()).toEqual([]);
      }),
    );
});

describe("an instance's IPv6 address", () => {
  it(
    "is the one that follows from its MAC, with temporary addresses turned on too",
    requires(NEEDS, async () => {
      await place.networks.create({ name: NAME });
      const [a, b] = [await online("a"), await online("b")];
      for (const { namespace } of [a, b]) {
        await namespace.run("sh", "-c", "echo 2 >/proc/sys/net/ipv6/conf/eth0/use_tempaddr");
        for (const state of ["down", "up"]) await namespace.run("ip", "link", "set", "eth0", state);
      }
      const shown = await b.namespace.run(..."ip -6 -o addr show dev eth0".split(" "));
      expect([...shown.matchAll(/inet6 /g)]).toHaveLength(1);
      const link = /fe80::[0-9a-f:]+/.exec(shown)?.[0];
      await expect.poll(() => reaches(a.namespace, `${link}%eth0`), { timeout: 10_000 }).toBe(true);
    }),
  );
});

describe("the filter of a network", () => {
  it(
    "is listed by the installed nft as it was written",
    requires([...NEEDS, "file:/etc/protocols"], async () => {
      await place.networks.create({ name: NAME, isolated: true });
      const a = await place.reserve("a");
      const { stdout } = await spawn(["nft", "list", "table", "bridge", `pileus_${NAME}`]);
      const nics = [{ hostInterface: a.hostInterface, mac: a.mac, address: a.ipv4.address }];
      const facts = { name: NAME, mac: "02:00:00:00:00:01", isolated: true, nics, unknown: [] };
      const squeeze = (text: string) => text.replaceAll(/\s+/g, " ").trim();
      // The names of protocols are those of /etc/protocols, which the rules do without.
      const listed = renderFilterTable(facts)
        .replace("{ igmp, 103 }", "{ igmp, pim }")
        .replace("icmpv6 }", "ipv6-icmp }");
      expect(squeeze(stdout)).toBe(squeeze(listed));
    }),
  );
});
