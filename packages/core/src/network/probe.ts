import { readFile } from "node:fs/promises";
import { HostError, isInstanceError, type Missing } from "../errors/all.ts";
import type { Abortable } from "../flow/abortable.ts";
import { type findTool, missingTools } from "../system/find-tool.ts";
import { spawn as run, type Spawn } from "../system/spawn.ts";
import { type FirewallFacts, renderRules } from "./firewall.ts";
import { hostResolves } from "./host-resolves.ts";

/** The tools of managed networks, each with its Debian package. */
const TOOLS = { ip: "iproute2", nft: "nftables", dnsmasq: "dnsmasq-base" } as const;

/** A network with every rule that there can be. */
const SAMPLE: FirewallFacts = {
  name: "pileusprobe",
  ipv4: { address: "10.64.0.1/24", nat: true },
  mac: "02:00:00:00:00:01",
  isolated: true,
  egress: { allow: ["2001:db8::/32", "10.0.0.0/8:80-90"], deny: ["0.0.0.0/0/icmp"], dns: false },
  host: { allow: [80] },
  nics: [
    {
      hostInterface: "pil000000000000",
      mac: "02:00:00:00:00:02",
      address: "10.64.0.2",
      egress: { allow: [] },
      host: { allow: "all" },
    },
  ],
  unknown: ["pil000000000001"],
};

export interface NetworkReport {
  /** Empty exactly when managed networks can be made here. */
  readonly missing: readonly Missing[];
  readonly facts: readonly { readonly name: string; readonly value: string }[];
}

export interface ProbeNetworkOptions extends Abortable {
  readonly spawn?: Spawn | undefined;
  readonly find?: typeof findTool | undefined;
}

/** Reports what this host has for managed networks and what it lacks. Changes nothing. */
export async function probeNetwork(options: ProbeNetworkOptions = {}): Promise<NetworkReport> {
  const { spawn = run, signal } = options;
  const missing = [...(await missingForNetworks(options.find))];
  const facts: { name: string; value: string }[] = [];
  for (const name of Object.keys(TOOLS)) {
    if (missing.some(({ need }) => need === `binary:${name}`)) continue;
    const { stdout } = await spawn([name, name === "ip" ? "-V" : "--version"], { signal });
    facts.push({ name, value: stdout.split("\n", 1)[0]?.trim() ?? "" });
  }
  if (missing.length === 0) missing.push(...(await missingInKernel(spawn, options)));
  const forward = (await readFile("/proc/sys/net/ipv4/ip_forward", "latin1")).trim();
  facts.push({
    name: "net.ipv4.ip_forward",
    value: forward === "1" ? "1" : `${forward} (the first network sets it to 1)`,
  });
  if (!hostResolves())
    facts.push({
      name: "/etc/resolv.conf",
      value: "missing, or a dangling symlink: instances resolve only each other",
    });
  return { missing, facts };
}

/** @throws {HostError} that names everything that is missing, before anything is touched. Starts no process. */
export async function requireNetworkTools(action: string): Promise<void> {
  const missing = await missingForNetworks();
  if (missing.length > 0) throw new HostError(action, missing);
}

async function missingForNetworks(find?: typeof findTool): Promise<readonly Missing[]> {
  const missing = missingTools(TOOLS, find);
  if (mayAdministerNetworks(await readFile("/proc/self/status", "latin1"))) return missing;
  const reason = "bridges and firewall rules need CAP_NET_ADMIN";
  return [{ need: "root", reason, fix: "run as root, or leave nics out of the configuration" }, ...missing];
}

/** From the text of /proc/self/status. capability.h: CAP_NET_ADMIN is 12. In a container, root may lack it. */
export function mayAdministerNetworks(status: string, uid = process.geteuid?.()): boolean {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0";
  return uid === 0 && ((BigInt(`0x${effective}`) >> 12n) & 1n) === 1n;
}

async function missingInKernel(spawn: Spawn, options: Abortable): Promise<readonly Missing[]> {
  try {
    // Checks whether this nft and this kernel accept the rules of a network. Changes nothing.
    await spawn(["nft", "--check", "--file", "-"], { stdin: renderRules(SAMPLE), signal: options.signal });
    return [];
  } catch (error) {
    if (!isInstanceError(error, "ERR_COMMAND")) throw error;
    return [
      {
        need: "kernel:nf_tables",
        reason: error.message,
        fix: "load the module nf_tables, or use a kernel with it and its expressions",
      },
    ];
  }
}
