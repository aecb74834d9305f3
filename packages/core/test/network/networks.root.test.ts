import { spawn as spawnProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AlreadyExistsError, ConfigError, NotFoundError } from "../../src/contract/errors.ts";
import type { NetworkManager } from "../../src/engine/ports.ts";
import { type DeviceInput, DevicesSchema } from "../../src/model/device/device.ts";
import { createTap, interfaceNames, removeInterface } from "../../src/network/link.ts";
import { openNetworks } from "../../src/network/networks.ts";
import { spawn } from "../../src/system/spawn.ts";
import { requires } from "../../src/testing/requires.ts";
import { Namespace } from "./fixtures/namespace.ts";

const NEEDS = ["root", "binary:ip", "binary:nft", "binary:dnsmasq", "binary:busybox"] as const;
const NAME = `pilt${process.pid}`;
const HOST = `t${process.pid}`.padEnd(10, "0");

let folder: string;
let networks: NetworkManager;
let cleanup: (() => Promise<unknown>)[];

const owner = (name: string) => ({ name, uuid: `00000000-0000-4000-8000-${name.padStart(12, "0")}` });
const nic = (more: Omit<DeviceInput, "type" | "network"> = {}) =>
  DevicesSchema.parse({ eth0: { type: "nic", network: NAME, ...more } });

async function reserve(name: string, more: Omit<DeviceInput, "type" | "network"> = {}) {
  const [attachment] = await networks.reserve(owner(name), nic(more));
  if (attachment === undefined) throw new Error("nothing was reserved");
  return attachment;
}

/** A namespace as an instance on the network would be. */
async function instance(name: string) {
  const attachment = await reserve(name);
  const namespace = await Namespace.make();
  cleanup.push(() => namespace[Symbol.asyncDispose]());
  await namespace.plug(attachment);
  return { attachment, namespace };
}

/** All that the network could have left on the machine: interfaces, tables, processes, files outside of its root. */
async function traces(): Promise<readonly string[]> {
  const { stdout: tables } = await spawn(["nft", "list", "tables"]);
  const processes: string[] = [];
  for (const pid of (await readdir("/proc")).filter((entry) => /^\d+$/.test(entry))) {
    const cmdline = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    if (cmdline.includes("dnsmasq") && cmdline.includes(folder)) processes.push(cmdline);
  }
  return [
    ...[...(await interfaceNames())].filter((name) => name === NAME),
    ...tables.split("\n").filter((line) => line.endsWith(`pileus_${NAME}`)),
    ...processes,
    ...(await readdir("/run")).filter((name) => name.includes(HOST)),
  ];
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pileus-networks-"));
  networks = openNetworks({ folder: join(folder, "networks"), hostId: HOST });
  cleanup = [];
});

afterEach(async () => {
  for (const step of cleanup.reverse()) await step();
  for (const { name, uuid } of ["a", "b", "c"].map(owner)) await networks.release({ name, uuid });
  await networks.delete(NAME);
  await rm(folder, { recursive: true });
});

describe("a managed network", () => {
  it(
    "gives each instance exactly its reserved address by DHCP, and resolves the names of the others until they are released",
    requires(NEEDS, async () => {
      const info = await networks.create({ name: NAME, "dns.domain": "lab.pileus" });
      expect(info).toMatchObject({ name: NAME, up: true, "ipv4.nat": true });
      const a = await instance("a");
      const b = await instance("b");
      for (const [name, { attachment, namespace }] of Object.entries({ a, b })) {
        const { address, gateway, prefix } = attachment.ipv4;
        expect(await namespace.dhcp(folder)).toEqual({
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

      await networks.release(owner("b"));
      expect(await interfaceNames()).not.toContain(b.attachment.hostInterface);
      expect(await a.namespace.resolve("b.lab.pileus", server)).toEqual([]);
    }),
  );

  it(
    "gives no address to a stranger",
    requires(NEEDS, async () => {
      await networks.create({ name: NAME });
      const a = await reserve("a");
      await using stranger = await Namespace.make();
      await stranger.plug({ ...a, mac: "02:00:00:00:00:99" });
      expect(await stranger.dhcp(folder)).toEqual({});
    }),
  );

  it(
    "gives an address that was released to its next holder, though the former one leased it for ever",
    requires(NEEDS, async () => {
      await networks.create({ name: NAME, "ipv4.address": "10.203.7.1/24" });
      const a = await instance("a");
      await a.namespace.dhcp(folder);
      const address = a.attachment.ipv4.address;
      await networks.release(owner("a"));
      const b = await reserve("b", { "ipv4.address": address });
      await using namespace = await Namespace.make();
      await namespace.plug(b);
      expect(await namespace.dhcp(folder)).toMatchObject({ ip: address, hostname: "b" });
      expect(await namespace.resolve("b.pileus", b.ipv4.gateway)).toEqual([address]);
      expect(await namespace.resolve("a.pileus", b.ipv4.gateway)).toEqual([]);
    }),
  );

  for (const nat of [true, false])
    it(
      `${nat ? "reaches" : "does not reach"} what has no route back to it with ipv4.nat ${nat ? "on" : "off"}`,
      requires(NEEDS, async () => {
        await networks.create({ name: NAME, "ipv4.nat": nat });
        const a = await instance("a");
        await a.namespace.dhcp(folder);
        // RFC 5737's TEST-NET-2. The outside knows the machine's own address there, and no route to the network.
        await using outside = await Namespace.make();
        const veth = `po${process.pid}`;
        await spawn(`ip link add name ${veth} type veth peer name eth0 netns ${outside.pid}`.split(" "));
        cleanup.push(() => removeInterface(veth));
        await spawn(`ip addr add 198.51.100.73/30 dev ${veth}`.split(" "));
        await spawn(`ip link set dev ${veth} up`.split(" "));
        await outside.run(..."ip addr add 198.51.100.74/30 dev eth0".split(" "));
        await outside.run(..."ip link set eth0 up".split(" "));
        const heard = await a.namespace.run(...`busybox ping -c 1 -W ${nat ? 5 : 1} 198.51.100.74`.split(" "));
        expect(heard).toContain(`${nat ? 1 : 0} packets received`);
      }),
    );

  it(
    "lives on when its creator is killed, and is found by the next process",
    requires(NEEDS, async () => {
      const creator = await startCreator(-1);
      await creator.kill();
      const before = await serverPid();
      expect(await networks.get(NAME)).toMatchObject({ up: true });
      expect(await networks.create({ name: NAME })).toMatchObject({ up: true });
      expect(await serverPid()).toBe(before);
      const a = await instance("a");
      expect((await a.namespace.dhcp(folder))["ip"]).toBe(a.attachment.ipv4.address);
    }),
  );

  it(
    "is whole or gone at the next call, whichever command its creator was killed before",
    requires(NEEDS, async () => {
      for (let command = 0; ; command++) {
        const creator = await startCreator(command);
        await creator.kill();
        if (creator.said === "created") break;
        expect(command).toBeLessThan(20);
        if (command % 2 === 0) expect(await networks.create({ name: NAME })).toMatchObject({ up: true });
        await networks.delete(NAME);
        expect(await traces()).toEqual([]);
      }
    }),
  );

  it(
    "comes back at the first launch after a reboot, with what was reserved",
    requires(NEEDS, async () => {
      await networks.create({ name: NAME });
      const { attachment, namespace } = await instance("a");
      await reserve("b");
      process.kill(await serverPid(), "SIGKILL");
      await removeInterface(NAME);
      await spawn(["nft", "delete", "table", "inet", `pileus_${NAME}`]);
      await rm(`/run/pileus-${HOST}-${NAME}`, { recursive: true });
      expect(await networks.get(NAME)).toMatchObject({ up: false });

      await networks.bringUp(owner("a"));
      expect(await networks.get(NAME)).toMatchObject({ up: true });
      expect(await networks.attachments(owner("a"))).toEqual([attachment]);
      await spawn(`ip link set dev ${attachment.hostInterface} master ${NAME}`.split(" "));
      expect((await namespace.dhcp(folder))["ip"]).toBe(attachment.ipv4.address);
      const [b] = await networks.attachments(owner("b"));
      expect(await namespace.resolve("b.pileus", attachment.ipv4.gateway)).toEqual([b?.ipv4.address]);
    }),
  );

  it(
    "gets its rules back at the next launch when the host's firewall was flushed",
    requires(NEEDS, async () => {
      await networks.create({ name: NAME });
      await reserve("a");
      await spawn(["nft", "delete", "table", "inet", `pileus_${NAME}`]);
      const started: string[] = [];
      const recording = openNetworks({
        folder: join(folder, "networks"),
        hostId: HOST,
        spawn: (argv, options) => {
          started.push(argv[0] ?? "");
          return spawn(argv, options);
        },
      });
      await recording.bringUp(owner("a"));
      started.length = 0;
      await recording.bringUp(owner("a"));
      expect(started.toSorted()).toEqual(["ip", "nft"]); // a look at each, for nothing is amiss
      expect((await spawn(["nft", "list", "table", "inet", `pileus_${NAME}`])).stdout).toContain("masquerade");
    }),
  );

  it(
    "gets a new server when the one that runs was started with another configuration",
    requires(NEEDS, async () => {
      await networks.create({ name: NAME });
      const { attachment, namespace } = await instance("a");
      const before = await serverPid();
      const path = join(folder, "networks", NAME, "dnsmasq.conf");
      const conf = await readFile(path, "utf8");
      await writeFile(path, `${conf}# by an earlier version\n`);
      await networks.bringUp(owner("a"));
      expect(await serverPid()).not.toBe(before);
      expect(await readFile(path, "utf8")).toBe(conf);
      expect((await namespace.dhcp(folder))["ip"]).toBe(attachment.ipv4.address);
    }),
  );

  it(
    "is created once: again with the same definition is a no-op, with another an error",
    requires(NEEDS, async () => {
      const [first, second] = await Promise.all([networks.create({ name: NAME }), networks.create({ name: NAME })]);
      expect(second).toEqual(first);
      expect(await networks.create({ name: NAME, "ipv4.address": first["ipv4.address"] })).toEqual(first);
      await expect(networks.create({ name: NAME, "ipv4.nat": false })).rejects.toBeInstanceOf(AlreadyExistsError);
      expect(await networks.list()).toEqual([first]);
    }),
  );

  it(
    "leaves alone an interface, and a network of another root, that has the name",
    requires(NEEDS, async () => {
      const mine = await networks.create({ name: NAME });
      const theirs = openNetworks({ folder: join(folder, "theirs"), hostId: "another000" });
      await expect(theirs.create({ name: NAME })).rejects.toMatchObject({
        code: "ERR_INSTANCE_EXISTS",
        kind: "interface",
      });
      await theirs.delete(NAME);
      expect(await networks.list()).toEqual([mine]);
      expect(await readdir(join(folder, "theirs"))).toEqual([]);
      await expect(theirs.create({ name: "lo" })).rejects.toBeInstanceOf(AlreadyExistsError);
      await expect(
        theirs.create({ name: `${NAME}b`.slice(-15), "ipv4.address": mine["ipv4.address"] }),
      ).rejects.toThrow("overlaps the route");
    }),
  );

  it(
    "is undone by an abort at any moment, which rejects with its reason",
    requires(NEEDS, async () => {
      for (let command = 0; ; command++) {
        const controller = new AbortController();
        const reason = new Error(`enough ${command}`);
        let started = 0;
        const aborting = openNetworks({
          folder: join(folder, "networks"),
          hostId: HOST,
          spawn: (argv, options) => {
            if (started++ === command) controller.abort(reason);
            return spawn(argv, options);
          },
        });
        const outcome: unknown = await aborting
          .create({ name: NAME }, { signal: controller.signal })
          .catch((error: unknown) => error);
        if (!controller.signal.aborted) break;
        expect(outcome).toBe(reason);
        expect(await traces()).toEqual([]);
        expect(await readdir(join(folder, "networks"))).toEqual([]);
        expect(command).toBeLessThan(20);
      }
    }),
  );

  it(
    "is not deleted while instances use it, and leaves nothing when it is",
    requires(NEEDS, async () => {
      await networks.create({ name: NAME });
      await reserve("a");
      expect((await traces()).length).toBe(4);
      await expect(networks.delete(NAME)).rejects.toThrow(`network "${NAME}" is used by a`);
      await networks.release(owner("a"));
      await networks.release(owner("a"));
      await networks.delete(NAME);
      await networks.delete(NAME);
      expect(await traces()).toEqual([]);
      expect(await readdir(join(folder, "networks"))).toEqual([]);
      expect(existsSync("/run/pileus-network.lock")).toBe(false);
      await expect(networks.get(NAME)).rejects.toBeInstanceOf(NotFoundError);
    }),
  );
});

describe("reservations", () => {
  it(
    "are the same when repeated, all or nothing over several networks, and gone after release",
    requires(NEEDS, async () => {
      await networks.create({ name: NAME });
      const a = await reserve("a");
      expect(await reserve("a")).toEqual(a);
      const second = `${NAME}z`;
      await networks.create({ name: second });
      cleanup.push(() => networks.delete(second));
      const devices = DevicesSchema.parse({
        eth0: { type: "nic", network: NAME },
        eth1: { type: "nic", network: second, "ipv4.address": "192.0.2.77" },
      });
      await expect(networks.reserve(owner("b"), devices)).rejects.toBeInstanceOf(ConfigError);
      expect(await networks.attachments(owner("b"))).toEqual([]);
      await expect(
        networks.reserve(owner("b"), { ...devices, eth2: { type: "nic", network: "none" } }),
      ).rejects.toBeInstanceOf(NotFoundError);

      const both = DevicesSchema.parse({ eth0: devices["eth0"], eth1: { type: "nic", network: second } });
      expect((await networks.reserve(owner("b"), both)).map(({ network }) => network)).toEqual([NAME, second]);
      const one = await networks.reserve(owner("b"), DevicesSchema.parse({ eth1: both["eth1"] }));
      expect(one.map(({ device }) => device)).toEqual(["eth1"]);
      await networks.release(owner("b"));
      expect(await networks.attachments(owner("b"))).toEqual([]);
    }),
  );

  it(
    "are of different addresses when many ask at once",
    requires(NEEDS, async () => {
      await networks.create({ name: NAME });
      const names = Array.from({ length: 12 }, (_, i) => `c${i}`);
      const all = await Promise.all(names.map((name) => reserve(name)));
      expect(new Set(all.map(({ ipv4 }) => ipv4.address)).size).toBe(names.length);
      for (const name of names) await networks.release(owner(name));
    }),
  );
});

describe("a tap", () => {
  it(
    "is made on the bridge, made anew over one that a dead machine left, and removed for good",
    requires(NEEDS, async () => {
      await networks.create({ name: NAME });
      const { hostInterface: name } = await reserve("a");
      for (const owner of [undefined, 65534]) {
        await createTap({ name, bridge: NAME, owner });
        const { stdout } = await spawn(["ip", "-d", "link", "show", "dev", name]);
        expect(stdout).toContain(`master ${NAME}`);
        expect(stdout).toContain("tun type tap");
        expect(stdout.includes("user nobody")).toBe(owner !== undefined);
      }
      await removeInterface(name);
      await removeInterface(name);
      expect(await interfaceNames()).not.toContain(name);
      await expect(createTap({ name, bridge: "nobridge" })).rejects.toMatchObject({ code: "ERR_INSTANCE_COMMAND" });
      expect(await interfaceNames()).not.toContain(name);
      await expect(createTap({ name: "lo", bridge: NAME })).rejects.toMatchObject({ code: "ERR_INSTANCE_COMMAND" });
    }),
  );
});

async function serverPid(): Promise<number> {
  return Number(await readFile(join(folder, "networks", NAME, "dnsmasq.pid"), "utf8"));
}

/** Another process that creates the network, up to where it stands still before its nth command. */
async function startCreator(
  stopBefore: number,
): Promise<{ readonly said: string; readonly kill: () => Promise<void> }> {
  await chmod(folder, 0o700);
  const script = fileURLToPath(new URL("./fixtures/create-network.ts", import.meta.url));
  const options = JSON.stringify({ folder: join(folder, "networks"), hostId: HOST });
  const argv = [
    "--import",
    "tsx",
    "--conditions=@pileus/source",
    script,
    options,
    JSON.stringify({ name: NAME }),
    `${stopBefore}`,
  ];
  const child = spawnProcess(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"] });
  const [said] = await Promise.race([
    once(child.stdout, "data"),
    once(child, "exit").then(() => Promise.reject(new Error("the creator ended by itself"))),
  ]);
  return {
    said: String(said).trim(),
    kill: async () => {
      const exit = once(child, "exit");
      child.kill("SIGKILL");
      await exit;
    },
  };
}
