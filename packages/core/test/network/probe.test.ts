import { describe, expect, it } from "vitest";
import { mayAdministerNetworks, probeNetwork } from "../../src/network/probe.ts";
import type { Spawn } from "../../src/system/spawn.ts";

const versions: Spawn = async (argv) => ({ stdout: `${argv[0]} 1.2\nmore\n`, stderr: "", exitCode: 0 });

describe("the probe of managed networks", () => {
  it("names each missing tool with the package to install, and starts no tool", async () => {
    const started: string[] = [];
    const spawn: Spawn = async (argv) => {
      started.push(argv[0] ?? "");
      return versions(argv);
    };
    const find = (name: string) => (name === "ip" ? "/sbin/ip" : undefined);
    const { missing, facts } = await probeNetwork({ spawn, find });
    const tools = missing.filter(({ need }) => need.startsWith("binary:"));
    expect(tools).toMatchObject([
      { need: "binary:nft", fix: "apt-get install nftables" },
      { need: "binary:dnsmasq", fix: "apt-get install dnsmasq-base" },
    ]);
    expect(started).toEqual(["ip"]);
    expect(facts[0]).toEqual({ name: "ip", value: "ip 1.2" });
  });

  it("wants root with the right to change networks, which root of a container may lack", () => {
    const all = "CapInh:\t0000000000000000\nCapEff:\t000001ffffffffff\nCapBnd:\t000001ffffffffff\n";
    const docker = all.replace("CapEff:\t000001ffffffffff", "CapEff:\t00000000a80425fb");
    expect([mayAdministerNetworks(all, 0), mayAdministerNetworks(docker, 0)]).toEqual([true, false]);
    expect([mayAdministerNetworks(all, 1000), mayAdministerNetworks("", 0)]).toEqual([false, false]);
  });

  it("reports the versions of the tools, and whether the machine forwards", async () => {
    const { facts } = await probeNetwork({ spawn: versions, find: (name) => `/sbin/${name}` });
    expect(facts.map(({ name }) => name)).toEqual(["ip", "nft", "dnsmasq", "net.ipv4.ip_forward"]);
  });
});
