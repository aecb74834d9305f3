import { spawn as spawnProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CommandError } from "../../src/errors/all.ts";
import { DnsmasqServer } from "../../src/network/dnsmasq-server.ts";
import { renderDnsmasq } from "../../src/network/render-dnsmasq.ts";
import type { Reservation } from "../../src/network/reservation.ts";
import type { Spawn } from "../../src/system/spawn.ts";

const config = {
  name: "br0",
  ipv4: { address: "10.90.0.1/24", nat: true },
  dns: { domain: "pileus" },
  isolated: false,
};
const reservation: Reservation = {
  version: 1,
  instance: "web",
  uuid: "u1",
  nics: [{ device: "eth0", mac: "02:00:00:00:00:01", address: "10.90.0.7", hostInterface: "pil000000000000" }],
};

let folder: string;
let started: (readonly string[])[];
const record: Spawn = async (argv) => {
  started.push(argv);
  return { stdout: "", stderr: "", exitCode: 0 };
};
const server = (spawn: Spawn = record) =>
  new DnsmasqServer({ folder, served: join(folder, "served"), cgroup: `pileus-test-${process.pid}`, spawn });

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pileus-dnsmasq-"));
  started = [];
});
afterEach(() => rm(folder, { recursive: true }));

describe("the server of a network, when it starts", () => {
  it("serves the reservations from files that its user can read with any umask", async () => {
    const before = process.umask(0o077);
    try {
      await server().ensure(config, [reservation]);
    } finally {
      process.umask(before);
    }
    for (const kind of ["dhcp", "dns"]) {
      expect(await readdir(join(folder, "served", kind))).toEqual(["u1"]);
      expect((await stat(join(folder, "served", kind))).mode & 0o777).toBe(0o755);
      expect((await stat(join(folder, "served", kind, "u1"))).mode & 0o777).toBe(0o644);
    }
    expect(started[0]?.slice(-5)).toEqual([
      `--conf-file=${folder}/dnsmasq.conf`,
      `--pid-file=${folder}/dnsmasq.pid`,
      `--dhcp-leasefile=${folder}/dnsmasq.leases`,
      `--log-facility=${folder}/dnsmasq.log`,
      `--dhcp-hostsdir=${folder}/served/dhcp`,
    ]);
  });

  // As dnsmasq 2.90 says it.
  it.each([
    [
      "another process has the port of DNS",
      "failed to create listening socket for 10.90.0.1: Address already in use",
      "port:53",
    ],
    ["another process has the port of DHCP", "failed to bind DHCP server socket: Address already in use", "port:67"],
    ["a security module forbids its files", "cannot read /r/networks/br0/dnsmasq.conf: Permission denied", "access"],
  ])("throws HostError with the fix when %s", async (_, said, need) => {
    const failing: Spawn = async (argv) => {
      throw new CommandError({ argv, exitCode: 2, stderr: `\ndnsmasq: a warning\ndnsmasq: ${said}\n` });
    };
    await expect(server(failing).ensure(config, [])).rejects.toMatchObject({
      code: "ERR_HOST",
      missing: [{ need, reason: `dnsmasq: ${said}` }],
    });
  });

  it("does not count as running because another process has the pid of its pid file", async () => {
    await writeFile(join(folder, "dnsmasq.pid"), `${process.pid}\n`);
    expect(await server().find()).toBeUndefined();
    await server().stop();
    await server().ensure(config, []);
    expect(started).toHaveLength(1);
  });

  it("is found by the folder that it serves from after its root was moved, and is then replaced", async () => {
    const argv = [
      "-c",
      "read line",
      "dnsmasq",
      "--conf-file=/old/dnsmasq.conf",
      `--dhcp-hostsdir=${folder}/served/dhcp`,
    ];
    const moved = spawnProcess("sh", argv, { stdio: ["pipe", "ignore", "ignore"] });
    const ended = once(moved, "exit");
    await writeFile(join(folder, "dnsmasq.pid"), `${moved.pid}\n`);
    await writeFile(
      join(folder, "dnsmasq.conf"),
      renderDnsmasq({ ...config, resolves: true, served: join(folder, "served") }),
    );
    expect(await server().find()).toMatchObject({ pid: moved.pid });
    expect(await server().isCurrent(config)).toBe(false);
    await server().ensure(config, []);
    expect(await ended).toEqual([null, "SIGTERM"]);
    expect(started).toHaveLength(1);
  });

  it("drops a lease that a crash left before the address is given to another", async () => {
    const leases = join(folder, "dnsmasq.leases");
    await writeFile(leases, "0 02:00:00:00:00:09 10.90.0.7 old *\n0 02:00:00:00:00:02 10.90.0.8 db *\n");
    await server().serve(config, reservation, false);
    expect(await readFile(leases, "utf8")).toBe("0 02:00:00:00:00:02 10.90.0.8 db *\n");
  });
});
