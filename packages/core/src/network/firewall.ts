import type { Abortable } from "../contract/abortable.ts";
import { replaceFile } from "../system/replace-file.ts";
import type { Spawn } from "../system/spawn.ts";
import { readIfThere } from "./definition.ts";
import { tableName } from "./names.ts";
import { type FirewallFacts, renderNftables, renderNftablesRemoval, renderNftablesTable } from "./render-nftables.ts";

/**
 * Whether the network's rules are in place. A reload of the host's own firewall flushes all rules. `listed` is the file
 * of {@link applyFirewall}.
 */
export async function isFirewallApplied(
  facts: FirewallFacts,
  listed: string,
  spawn: Spawn,
  options: Abortable = {},
): Promise<boolean> {
  const [wanted, found] = [renderNftablesTable(facts), await listTable(facts, spawn, options)].map(squeeze);
  return wanted === found || readIfThere(listed) === `${wanted}\n${found}`;
}

/**
 * Puts the network's rules in place, whatever was there before. It takes four times as long as a look.
 *
 * nft lists rules as we write them, except for blanks. Where a version lists them in other words, those are kept in the
 * file `listed`.
 */
export async function applyFirewall(
  facts: FirewallFacts,
  listed: string,
  spawn: Spawn,
  options: Abortable = {},
): Promise<void> {
  await spawn(["nft", "-f", "-"], { stdin: renderNftables(facts), signal: options.signal });
  const [wanted, found] = [renderNftablesTable(facts), await listTable(facts, spawn, options)].map(squeeze);
  if (wanted !== found) await replaceFile(listed, `${wanted}\n${found}`);
}

/** Empty if there is no such table. */
async function listTable({ name }: FirewallFacts, spawn: Spawn, { signal }: Abortable): Promise<string> {
  return (await spawn(["nft", "list", "table", "inet", tableName(name)], { signal, allow: [0, 1] })).stdout;
}

function squeeze(rules: string): string {
  return rules.replaceAll(/\s+/g, "");
}

/** Removes the network's rules. Idempotent. */
export async function removeFirewall(network: string, spawn: Spawn): Promise<void> {
  await spawn(["nft", "-f", "-"], { stdin: renderNftablesRemoval(network) });
}
