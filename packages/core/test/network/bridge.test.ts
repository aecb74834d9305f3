import { describe, expect, it } from "vitest";
import { bridgeState, raiseBridge, readRoutes } from "../../src/network/bridge.ts";
import { isIpv6Off } from "../../src/network/ipv6.ts";
import { bridgeMac } from "../../src/network/names.ts";
import type { Spawn } from "../../src/system/spawn.ts";

const HOST = "abcdefghij";
/** No machine has it, so nothing says that IPv6 is on. */
const NAME = "none-such-here";
const facts = { hostId: HOST, name: NAME, ipv4: { address: "10.90.0.1/24" } };
const MAC = bridgeMac(HOST, NAME);

/** What ip(8) shows of a bridge that is complete. */
const WHOLE = {
  flags: ["BROADCAST", "UP"],
  address: MAC,
  ifalias: `pileus:${HOST}`,
  addr_info: [{ local: "10.90.0.1", prefixlen: 24 }],
  linkinfo: { info_data: { stp_state: 0, group_fwd_mask: "0xfff8" } },
};

const stateOf = (shown: object, name = NAME) => {
  const spawn: Spawn = async () => ({ stdout: JSON.stringify([shown]), stderr: "", exitCode: 0 });
  return bridgeState({ ...facts, name }, { spawn });
};

describe("a bridge", () => {
  it("is up when it is complete", async () => {
    expect(await stateOf(WHOLE)).toBe("up");
  });

  it.each([
    ["is not up", { flags: ["BROADCAST"] }],
    ["has another address", { addr_info: [{ local: "10.90.0.1", prefixlen: 16 }] }],
    ["speaks a spanning tree protocol", { linkinfo: { info_data: { stp_state: 1, group_fwd_mask: "0xfff8" } } }],
    ["keeps frames from its rules", { linkinfo: { info_data: { stp_state: 0, group_fwd_mask: "0x0" } } }],
    ["is no bridge that ip(8) describes", { linkinfo: undefined }],
    ["has no alias yet", { ifalias: undefined }],
  ])("is down when it %s", async (_, change) => {
    expect(await stateOf({ ...WHOLE, ...change })).toBe("down");
  });

  it("is down when the host speaks IPv6 on it", async () => {
    expect(await stateOf(WHOLE, "lo")).toBe((await isIpv6Off("lo")) ? "up" : "down");
  });

  it.each([
    ["of another root", { ifalias: "pileus:another000", address: "02:00:00:00:00:01" }],
    ["of another root, although it has our hardware address", { ifalias: "pileus:another000" }],
    ["of nobody known", { ifalias: undefined, address: "02:00:00:00:00:01" }],
  ])("is foreign when it is %s", async (_, change) => {
    expect(await stateOf({ ...WHOLE, ...change })).toBe("foreign");
  });

  it("is absent only if ip(8) says so", async () => {
    const saying = (stderr: string) => bridgeState(facts, { spawn: async () => ({ stdout: "", stderr, exitCode: 1 }) });
    expect(await saying(`Device "${NAME}" does not exist.\n`)).toBe("absent");
    await expect(saying("Cannot open netlink socket\n")).rejects.toMatchObject({ code: "ERR_PROTOCOL" });
  });
});

describe("to raise a bridge", () => {
  const commandsFor = async (state: Parameters<typeof raiseBridge>[1]) => {
    const commands: string[] = [];
    const spawn: Spawn = async (_argv, options) => {
      commands.push(...String(options?.stdin).trimEnd().split("\n"));
      return { stdout: "", stderr: "", exitCode: 0 };
    };
    await raiseBridge(facts, state, { spawn });
    return commands;
  };
  const complete = [
    // All frames for the next bridge alone that the kernel lets it forward: 03 to 0f.
    `link set dev ${NAME} type bridge stp_state 0 group_fwd_mask 0xfff8`,
    `link set dev ${NAME} alias pileus:${HOST} addrgenmode none up`,
    `addr replace 10.90.0.1/24 brd + dev ${NAME}`,
  ];

  it("makes it before anything else, and sets it up last", async () => {
    const make = `link add name ${NAME} address ${MAC} type bridge forward_delay 0`;
    expect(await commandsFor("absent")).toEqual([make, ...complete]);
  });

  it("completes one that is down, and leaves one alone that is up", async () => {
    expect(await commandsFor("down")).toEqual(complete);
    expect(await commandsFor("up")).toEqual([]);
  });

  it("refuses an interface that is not ours", async () => {
    await expect(commandsFor("foreign")).rejects.toMatchObject({ code: "ERR_INTERFACE_EXISTS" });
  });
});

describe("the routes of the machine", () => {
  it("are those of the main table or of all tables, without those to the machine itself", async () => {
    const calls: string[] = [];
    const tunnel = { dst: "10.0.0.0/8", dev: "tailscale0", table: "52" };
    const spawn: Spawn = async (argv) => {
      calls.push(argv.join(" "));
      const shown = [tunnel, { type: "local", dst: "127.0.0.0/8", dev: "lo", table: "local" }];
      return { stdout: JSON.stringify(shown), stderr: "", exitCode: 0 };
    };
    expect(await readRoutes({ spawn, every: true })).toEqual([tunnel]);
    await readRoutes({ spawn });
    expect(calls).toEqual(["ip -j -4 route show table all", "ip -j -4 route show"]);
  });
});
