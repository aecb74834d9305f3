import type { Abortable } from "../contract/abortable.ts";
import type { Spawn } from "../system/spawn.ts";
import { tableName } from "./names.ts";
import { type FirewallFacts, renderNftables, renderNftablesRemoval, renderNftablesTable } from "./render-nftables.ts";

/** Whether the network's rules are in place. A reload of the host's own firewall flushes all rules. */
export async function isFirewallApplied(facts: FirewallFacts, spawn: Spawn, options: Abortable = {}): Promise<boolean> {
  const argv = ["nft", "list", "table", "inet", tableName(facts.name)];
  const { stdout } = await spawn(argv, { signal: options.signal, allow: [0, 1] });
  // nft lists rules as we write them, except for blanks. If another version does not, they are only applied again.
  const [wanted, found] = [renderNftablesTable(facts), stdout].map((text) => text.replaceAll(/\s+/g, ""));
  return wanted === found;
}

/** Puts the network's rules in place, whatever was there before. It takes four times as long as a look. */
export async function applyFirewall(facts: FirewallFacts, spawn: Spawn, options: Abortable = {}): Promise<void> {
  await spawn(["nft", "-f", "-"], { stdin: renderNftables(facts), signal: options.signal });
}

/** Removes the network's rules. Idempotent. */
export async function removeFirewall(network: string, spawn: Spawn): Promise<void> {
  await spawn(["nft", "-f", "-"], { stdin: renderNftablesRemoval(network) });
}
