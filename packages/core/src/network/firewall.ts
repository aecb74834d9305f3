import type { Abortable } from "../contract/abortable.ts";
import type { Spawn } from "../system/spawn.ts";
import { type FirewallFacts, renderNftables, renderNftablesRemoval } from "./render-nftables.ts";

/** Puts the network's rules in place, whatever was there before. At every use: a reload of the host's own firewall flushes all. */
export async function applyFirewall(facts: FirewallFacts, spawn: Spawn, options: Abortable = {}): Promise<void> {
  await spawn(["nft", "-f", "-"], { stdin: renderNftables(facts), signal: options.signal });
}

/** Removes the network's rules. Idempotent. */
export async function removeFirewall(network: string, spawn: Spawn): Promise<void> {
  await spawn(["nft", "-f", "-"], { stdin: renderNftablesRemoval(network) });
}
