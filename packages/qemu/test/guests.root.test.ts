import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { CommandError, ConnectionError, type InstanceMetrics, NotFoundError, openHost } from "@pileus/core";
import { FIXTURE_USER, makeBusyboxRootfs, requires } from "@pileus/core/testing";
import { beforeAll, expect, it } from "vitest";
import { qemu } from "../src/index.ts";
import { cache, MACHINE_NEEDS, machinesOf, networkOf, portsOf, WARMING, warmCache } from "./support/qemu-subject.ts";

const TIMEOUT = 120_000;
const SMALL = { limits: { memory: "192MiB" } } as const;
const open = (root: string) => openHost({ root, drivers: [qemu({ cache })] });
type QemuHost = Awaited<ReturnType<typeof open>>;

beforeAll(warmCache, WARMING);

/** A host with a network. Both are removed after the test; fails when the test left something behind. */
async function onHost(test: (host: QemuHost, network: string, folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "pileus-qemu-guests-"));
  const root = join(folder, "host");
  const network = networkOf(root);
  try {
    await using host = await open(root);
    await host.networks.create({ name: network });
    try {
      await test(host, network, folder);
    } finally {
      for (const { name } of await host.list()) await (await host.get(name)).delete();
      await host.networks.delete(network);
    }
  } finally {
    expect([...(await machinesOf(root)), ...(await portsOf(network))]).toEqual([]);
    await rm(folder, { recursive: true });
  }
}

it(
  "boots a microvm with two nics, each with the name, address and order of its device",
  { timeout: TIMEOUT },
  requires(MACHINE_NEEDS, () =>
    onHost(async (host, network, folder) => {
      await makeBusyboxRootfs(join(folder, "rootfs"));
      const image = await host.images.import(join(folder, "rootfs"));
      const devices = { wan1: { type: "nic", network }, eth0: { type: "nic", network } } as const;
      const section = { machine: "microvm", rootSize: "64MiB" } as const;
      await using machine = await host.ephemeral({
        driver: "qemu",
        name: "micro",
        image,
        devices,
        ...SMALL,
        qemu: section,
      });
      await machine.ready({ timeout: TIMEOUT });
      const addresses = await machine.addresses();
      expect(addresses.map((address) => address.interface).sort()).toEqual(["eth0", "wan1"]);
      expect((await machine.run(["uname", "-n"])).stdout).toBe("micro\n");
      const before = await machine.metrics();
      const gateway = addresses.find((address) => address.interface === "eth0")?.address.replace(/\d+$/, "1") ?? "";
      const used = ["sh", "-c", `ping -c 5 -i 0.2 -s 1000 ${gateway} && head -c 5000000 /dev/zero >/x && sync`];
      await machine.run(used, { check: true });
      const after = await machine.metrics();
      expect([Object.keys(after.network ?? {}).sort(), Object.keys(after.disk ?? {})]).toEqual([
        ["eth0", "wan1"],
        ["root"],
      ]);
      expect([after.memory.swapBytes, after.memory.oomKills]).toEqual([0, 0]);
      const more = (of: (metrics: InstanceMetrics) => number | undefined) => (of(after) ?? 0) - (of(before) ?? 0);
      expect(more(({ disk }) => disk?.["root"]?.written)).toBeGreaterThan(4_500_000);
      for (const way of ["received", "sent"] as const) {
        // The guest chooses one of two nics on the same network.
        const bytes = more(({ network = {} }) => Object.values(network).reduce((sum, nic) => sum + nic[way].bytes, 0));
        expect([way, bytes > 5000, bytes < 20_000]).toEqual([way, true, true]);
      }
      // The kernel spares the agent when memory runs out, and not what the agent starts. While the agent starts a program,
      // it has the score of that program for a moment.
      const scores = ["sh", "-c", "cat /proc/$PPID/oom_score_adj /proc/self/oom_score_adj"];
      for (const user of ["root", FIXTURE_USER.name])
        await expect
          .poll(async () => (await machine.run(scores, { user })).stdout, { timeout: 60_000 })
          .toBe("-1000\n0\n");
      expect(await text(await machine.logs({ stream: "console" }))).toContain("init: up");
      await machine.stop({ timeout: 60_000 });
      expect((await machine.inspect()).exit?.reason).toBe("requested");
    }),
  ),
);

it(
  "rejects the start of a root without an init with NotFoundError, and ends a guest that removed its init, with a message on the console",
  { timeout: TIMEOUT },
  requires(MACHINE_NEEDS, () =>
    onHost(async (host, _network, folder) => {
      const config = { driver: "qemu", ...SMALL, qemu: { rootSize: "64MiB" } } as const;
      await mkdir(join(folder, "bare/etc"), { recursive: true });
      const bare = await host.create({
        ...config,
        name: "bare",
        image: await host.images.import(join(folder, "bare")),
      });
      await expect(bare.start()).rejects.toThrow(NotFoundError);
      expect(await bare.state()).toBe("stopped");
      await makeBusyboxRootfs(join(folder, "rootfs"));
      const image = await host.images.import(join(folder, "rootfs"));
      await using damaged = await host.ephemeral({ ...config, name: "damaged", image });
      await damaged.ready({ timeout: TIMEOUT });
      await damaged.run(["rm", "/sbin/init"]);
      await damaged.stop({ timeout: 60_000 });
      await damaged.start();
      await damaged.wait({ signal: AbortSignal.timeout(60_000) });
      expect(await text(await damaged.logs({ stream: "console" }))).toContain("the root file system has no init");
    }),
  ),
);

it(
  "finds the agent again after the guest reboots itself, and sets its host name, /etc/hosts and the links of the standard streams in /dev",
  { timeout: TIMEOUT },
  requires(MACHINE_NEEDS, () =>
    onHost(async (host, network, folder) => {
      await makeBusyboxRootfs(join(folder, "rootfs"));
      const image = await host.images.import(join(folder, "rootfs"));
      await using machine = await host.ephemeral({
        driver: "qemu",
        name: "again",
        image,
        devices: { eth0: { type: "nic", network } },
        ...SMALL,
        qemu: { rootSize: "64MiB" },
      });
      await machine.ready({ timeout: TIMEOUT });
      const bootId = async () => (await machine.run(["cat", "/proc/sys/kernel/random/boot_id"])).stdout;
      const before = await bootId();
      const { pid } = await machine.inspect();
      // The guest is gone before it can say how the program ended.
      await expect(machine.run(["reboot", "-f"])).rejects.toThrow(ConnectionError);
      await machine.ready({ timeout: TIMEOUT });
      expect(await bootId()).not.toBe(before);
      expect((await machine.inspect()).pid).toBe(pid);
      const [{ address } = { address: "" }] = await machine.addresses();
      const hosts = `127.0.0.1 localhost\n::1 localhost\n${address} again.pileus again\n`;
      expect((await machine.run(["cat", "/etc/hosts"])).stdout).toBe(hosts);
      expect((await machine.run(["hostname", "-f"])).stdout).toBe("again.pileus\n");
      expect((await machine.run(["sh", "-c", "echo out >/dev/stdout; cat /dev/stdin"], { input: "in" })).stdout).toBe(
        "out\nin",
      );
      await machine.stop({ timeout: 60_000 });
      expect((await machine.inspect()).exit?.reason).toBe("requested");
    }),
  ),
);

it(
  "serves exec and files to one process at a time: a process that only looks does not take the agent, and others wait for their turn",
  { timeout: TIMEOUT },
  requires(MACHINE_NEEDS, () =>
    onHost(async (host, _network, folder) => {
      await makeBusyboxRootfs(join(folder, "rootfs"));
      const image = await host.images.import(join(folder, "rootfs"));
      // It opens the root, as every list of a command line does, and holds the run.
      await using idle = await open(host.root);
      const machine = await host.create({ driver: "qemu", name: "one", image, ...SMALL, qemu: { rootSize: "64MiB" } });
      await machine.start();
      await (await idle.get("one")).inspect();
      await machine.ready({ timeout: TIMEOUT });
      expect((await machine.run(["echo", "here"])).stdout).toBe("here\n");
      await using other = await open(host.root);
      const seen = (await other.get("one")) as typeof machine;
      expect(seen.can("exec")).toBe(true);
      expect((await seen.run(["echo", "there"])).stdout).toBe("there\n");
      await using busy = await machine.exec(["cat"]);
      const late = seen.run(["echo", "late"]);
      busy.stdin.end("done");
      expect(await text(busy.stdout)).toBe("done");
      expect((await late).stdout).toBe("late\n");
      expect((await machine.run(["echo", "again"])).stdout).toBe("again\n");
    }),
  ),
);

it(
  "kills a QEMU that does not answer when its machine is deleted",
  { timeout: TIMEOUT },
  requires(MACHINE_NEEDS, () =>
    onHost(async (host, _network, folder) => {
      await makeBusyboxRootfs(join(folder, "rootfs"));
      const image = await host.images.import(join(folder, "rootfs"));
      const other = await open(host.root);
      const machine = await other.create({
        driver: "qemu",
        name: "hung",
        image,
        ...SMALL,
        qemu: { rootSize: "64MiB" },
      });
      await machine.start();
      const { pid } = await machine.inspect();
      await other[Symbol.asyncDispose]();
      process.kill(pid ?? Number.NaN, "SIGSTOP");
      await (await host.get("hung")).delete();
      expect(await machinesOf(host.root)).toEqual([]);
      expect(await host.list()).toEqual([]);
    }),
  ),
);

it(
  "rejects with the output of a QEMU that does not start, and leaves the instance stopped",
  { timeout: TIMEOUT },
  requires(MACHINE_NEEDS, () =>
    onHost(async (host, network, folder) => {
      await makeBusyboxRootfs(join(folder, "rootfs"));
      const image = await host.images.import(join(folder, "rootfs"));
      const machine = await host.create({
        driver: "qemu",
        name: "broken",
        image,
        devices: { eth0: { type: "nic", network } },
        qemu: { rootSize: "64MiB", cpuModel: "no-such-model" },
      });
      const error = await machine.start().catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(CommandError);
      expect((error as CommandError).stderr).toContain("no-such-model");
      expect(await machine.state()).toBe("stopped");
      expect(await portsOf(network)).toEqual([]);
    }),
  ),
);

it(
  "refuses at create a setting that a virtual machine can never have",
  requires(MACHINE_NEEDS, () =>
    onHost(async (host, _network, folder) => {
      await makeBusyboxRootfs(join(folder, "rootfs"));
      const image = await host.images.import(join(folder, "rootfs"));
      const half = host.create({ driver: "qemu", name: "half", image, limits: { cpu: 0.5 } });
      await expect(half).rejects.toThrow(/limits\.cpu.*whole processors/);
      expect(await host.list()).toEqual([]);
    }),
  ),
);

it(
  "reports to doctor() which accelerator it uses, and why, within about a second",
  requires(MACHINE_NEEDS, () =>
    onHost(async (host) => {
      const started = performance.now();
      const report = (await host.doctor()).drivers["qemu"];
      expect(performance.now() - started).toBeLessThan(5000);
      expect(report).toMatchObject({ usable: true, missing: [] });
      const facts = Object.fromEntries(report?.facts.map(({ name, value }) => [name, value]) ?? []);
      expect(facts["qemu"]).toMatch(/^\d+\.\d+/);
      expect(facts["accelerator"]).toMatch(/^(?:kvm|tcg) \(.+\)$/);
      expect(facts["kernel"]).toBeTruthy();
      expect(facts["node of guests"]).toBe(`${process.version} (${process.execPath}): runs the agent`);
    }),
  ),
);
