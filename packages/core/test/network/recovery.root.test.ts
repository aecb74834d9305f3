import { spawn as spawnProcess } from "node:child_process";
import { once } from "node:events";
import { readlinkSync } from "node:fs";
import { readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DevicesSchema } from "../../src/model/device/device.ts";
import { removeInterface } from "../../src/network/link.ts";
import { openNetworks } from "../../src/network/networks.ts";
import { isHeld } from "../../src/system/lock.ts";
import { identifyProcess, processArguments } from "../../src/system/process-identity.ts";
import { spawn } from "../../src/system/spawn.ts";
import { requires } from "../../src/testing/requires.ts";
import { ManagedPlace, NEEDS, owner } from "./fixtures/managed-place.ts";

const NAME = `pilv${process.pid}`;
const HOST = `v${process.pid}`.padEnd(10, "0");

let place: ManagedPlace;

beforeEach(async () => {
  place = await ManagedPlace.make(NAME, HOST);
});
afterEach(() => place[Symbol.asyncDispose]());

describe("a managed network", () => {
  it(
    "lives on when its creator and everything in its cgroup is killed, and is found by the next process",
    requires(NEEDS, async () => {
      const creator = await place.startCreator(-1);
      await creator.kill();
      const before = await place.serverPid();
      const [its, ours] = [
        await readFile(`/proc/${before}/cgroup`, "utf8"),
        await readFile("/proc/self/cgroup", "utf8"),
      ];
      for (const line of its.trim().split("\n")) expect(ours).not.toContain(line);
      expect(await place.networks.get(NAME)).toMatchObject({ up: true });
      expect(await place.networks.create({ name: NAME })).toMatchObject({ up: true });
      expect(await place.serverPid()).toBe(before);
      const a = await place.instance("a");
      expect((await a.namespace.dhcp(place.folder))["ip"]).toBe(a.attachment.ipv4.address);
    }),
  );

  it(
    "is complete or gone at the next call, whichever command its creator was killed before",
    { timeout: 180_000 },
    requires(NEEDS, async () => {
      for (let command = 0; ; command++) {
        const creator = await place.startCreator(command);
        await creator.kill();
        if (creator.said === "created") break;
        expect(command).toBeLessThan(20);
        if (command % 2 === 0) expect(await place.networks.create({ name: NAME })).toMatchObject({ up: true });
        await place.networks.delete(NAME);
        expect(await place.traces()).toEqual([]);
      }
    }),
  );

  it(
    "stays locked until every command has ended that changes it, even if the process dies that ran it",
    requires(NEEDS, async () => {
      const lock = join(place.folder, "networks", `.lock-${NAME}`);
      const unlocked: (readonly string[])[] = [];
      const commands = new Set<string>();
      const recording = openNetworks({
        folder: join(place.folder, "networks"),
        hostId: HOST,
        spawn: async (argv, options) => {
          const held = (options?.descriptors ?? []).map((descriptor) => readlinkSync(`/proc/self/fd/${descriptor}`));
          if (options?.stdin !== undefined || argv.some((argument) => argument.includes("dnsmasq"))) {
            commands.add(argv[0] ?? "");
            if (!held.includes(lock)) unlocked.push(argv);
          }
          return spawn(argv, options);
        },
      });
      await recording.create({ name: NAME });
      await recording.reserve(owner("a"), DevicesSchema.parse({ eth0: { type: "nic", network: NAME } }));
      // The server outlives all of this, and holds no lock.
      expect(isHeld(lock)).toBe(false);
      await recording.release(owner("a"));
      await recording.delete(NAME);
      expect(unlocked).toEqual([]);
      expect([...commands]).toEqual(expect.arrayContaining(["ip", "nft"]));
      expect(commands.size).toBe(3);
    }),
  );

  it(
    "is restored with its reservations at the first launch after a reboot",
    requires(NEEDS, async () => {
      await place.networks.create({ name: NAME });
      const { attachment, namespace } = await place.instance("a");
      await place.reserve("b");
      await place.killServer();
      await removeInterface(NAME);
      await spawn(["nft", "delete", "table", "inet", `pileus_${NAME}`]);
      await rm(`/run/pileus-${HOST}-${NAME}`, { recursive: true });
      expect(await place.networks.get(NAME)).toMatchObject({ up: false });

      await place.networks.bringUp(owner("a"));
      expect(await place.networks.get(NAME)).toMatchObject({ up: true });
      expect(await place.networks.attachments(owner("a"))).toEqual([attachment]);
      // Its nic is on the new bridge.
      expect((await namespace.dhcp(place.folder))["ip"]).toBe(attachment.ipv4.address);
      const [b] = await place.networks.attachments(owner("b"));
      expect(await namespace.resolve("b.pileus", attachment.ipv4.gateway)).toEqual([b?.ipv4.address]);
    }),
  );

  it(
    "gets its rules back at the next launch when the host's firewall was flushed",
    requires(NEEDS, async () => {
      await place.networks.create({ name: NAME });
      await place.reserve("a");
      await spawn(["nft", "delete", "table", "inet", `pileus_${NAME}`]);
      expect(await place.networks.get(NAME)).toMatchObject({ up: false });
      expect(await place.networks.issues()).toEqual([
        {
          network: NAME,
          reason: expect.stringMatching(/^it is down: its rules are not in the host's firewall: the next start/),
        },
      ]);
      const started: string[] = [];
      const recording = openNetworks({
        folder: join(place.folder, "networks"),
        hostId: HOST,
        spawn: (argv, options) => {
          started.push(argv[0] ?? "");
          return spawn(argv, options);
        },
      });
      await recording.bringUp(owner("a"));
      expect(await place.networks.get(NAME)).toMatchObject({ up: true });
      expect(await place.networks.issues()).toEqual([]);
      started.length = 0;
      await recording.bringUp(owner("a"));
      expect(started.toSorted()).toEqual(["ip", "nft", "nft"]); // a check of each, because everything works
      expect((await spawn(["nft", "list", "table", "inet", `pileus_${NAME}`])).stdout).toContain("masquerade");
    }),
  );

  it(
    "is restored for the instances on it, or doctor() says why not",
    requires(NEEDS, async () => {
      const { ipv4 } = await place.networks.create({ name: NAME });
      await place.reserve("a");
      const both = new Set([owner("a").uuid, owner("b").uuid]);
      const breakIt = async () => {
        await place.killServer();
        await spawn(["nft", "delete", "table", "inet", `pileus_${NAME}`]);
      };
      await breakIt();
      await place.networks.restore(new Set([owner("b").uuid]));
      expect(await place.networks.get(NAME)).toMatchObject({ up: false });
      await place.networks.restore(both);
      expect(await place.networks.get(NAME)).toMatchObject({ up: true });

      await breakIt();
      const [address = ""] = ipv4.address.split("/");
      const squatter = createServer().listen(53, address);
      await once(squatter, "listening");
      await place.networks.restore(both);
      const reason = expect.stringMatching(/server does not run.*it could not be raised: .*port:53/);
      expect(await place.networks.issues()).toEqual([{ network: NAME, reason }]);
      squatter.close();
      await once(squatter, "close");
      await place.networks.restore(both);
      expect(await place.networks.issues()).toEqual([]);
    }),
  );

  it(
    "gets a new server when the running one has another configuration",
    requires(NEEDS, async () => {
      await place.networks.create({ name: NAME });
      const { attachment, namespace } = await place.instance("a");
      const before = await place.serverPid();
      const path = join(place.folder, "networks", NAME, "dnsmasq.conf");
      const conf = await readFile(path, "utf8");
      await writeFile(path, `${conf}# by an earlier version\n`);
      await place.networks.bringUp(owner("a"));
      expect(await place.serverPid()).not.toBe(before);
      expect(await readFile(path, "utf8")).toBe(conf);
      expect((await namespace.dhcp(place.folder))["ip"]).toBe(attachment.ipv4.address);
    }),
  );

  it(
    "ends the server that an early release started, and starts its own",
    requires(NEEDS, async () => {
      await place.networks.create({ name: NAME });
      const argv = await processArguments(await place.serverPid());
      await place.killServer();
      // It had no argument that names the folder which it serves.
      await spawn(argv?.filter((argument) => !argument.startsWith("--dhcp-hostsdir=")) ?? []);
      const before = await place.serverPid();
      await expect(place.networks.create({ name: NAME })).resolves.toMatchObject({ up: true });
      expect(await identifyProcess(before)).toBeUndefined();
      expect(await place.networks.get(NAME)).toMatchObject({ up: true });
    }),
  );

  it(
    "finds its server after the root was moved, restarts it there, and leaves nothing when deleted",
    requires(NEEDS, async () => {
      await place.networks.create({ name: NAME });
      const before = await place.serverPid();
      const folder = join(place.folder, "moved");
      await rename(join(place.folder, "networks"), folder);
      try {
        const moved = openNetworks({ folder, hostId: HOST });
        // Its server runs, but not as it should.
        expect(await moved.get(NAME)).toMatchObject({ up: false });
        expect(await moved.create({ name: NAME })).toMatchObject({ up: true });
        const after = Number(await readFile(join(folder, NAME, "dnsmasq.pid"), "utf8"));
        expect(after).not.toBe(before);
        expect(await identifyProcess(before)).toBeUndefined();
        await moved.delete(NAME);
        expect(await place.traces()).toEqual([]);
      } finally {
        await rename(folder, join(place.folder, "networks"));
      }
    }),
  );

  it(
    "never mistakes a process of another user or of a container for its server, whatever its name",
    requires([...NEEDS, "binary:unshare", "binary:setpriv"], async () => {
      await place.networks.create({ name: NAME });
      const server = await place.serverPid();
      const file = join(place.folder, "networks", NAME, "dnsmasq.pid");
      const posing = ["sh", "-c", "echo ready; read line", "sh", `--dhcp-hostsdir=/run/pileus-${HOST}-${NAME}/dhcp`];
      for (const [tool, ...args] of [
        ["setpriv", "--reuid=65534", "--clear-groups", ...posing],
        ["unshare", "--pid", "--fork", "--kill-child", ...posing],
      ] as const) {
        const child = spawnProcess(tool, args, { stdio: ["pipe", "pipe", "inherit"] });
        await once(child.stdout, "data");
        const [below] = (await readFile(`/proc/${child.pid}/task/${child.pid}/children`, "utf8")).trim().split(" ");
        await writeFile(file, `${below || child.pid}\n`);
        // The pid file names another process. The network's own server is found nevertheless.
        expect(await place.networks.create({ name: NAME })).toMatchObject({ up: true });
        expect(child.exitCode).toBeNull();
        expect(await identifyProcess(server)).toBeDefined();
        const exit = once(child, "exit");
        child.stdin.end("\n");
        await exit;
      }
      await writeFile(file, `${server}\n`);
      expect(await place.networks.get(NAME)).toMatchObject({ up: true });
    }),
  );

  it(
    "is restored with the reservations that can be read",
    requires(NEEDS, async () => {
      await place.networks.create({ name: NAME });
      await place.reserve("a");
      await place.reserve("b");
      const file = join(place.folder, "networks", NAME, "reservations", `${owner("b").uuid}.json`);
      const whole = await readFile(file);
      await writeFile(file, "{");
      await place.killServer();
      await place.networks.bringUp(owner("a"));
      expect(await place.networks.get(NAME)).toMatchObject({ up: true });
      await expect(place.networks.bringUp(owner("b"))).rejects.toMatchObject({ code: "ERR_PROTOCOL" });
      await expect(place.networks.delete(NAME)).rejects.toMatchObject({ code: "ERR_PROTOCOL" });
      await writeFile(file, whole);
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
          folder: join(place.folder, "networks"),
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
        expect(await place.traces()).toEqual([]);
        expect(await readdir(join(place.folder, "networks"))).toEqual([]);
        expect(command).toBeLessThan(20);
      }
    }),
  );
});
