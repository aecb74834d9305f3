import type { Abortable } from "../flow/abortable.ts";
import { isDiskFull } from "../system/disk-full.ts";
import { replaceFile } from "../system/replace-file.ts";
import type { Spawn } from "../system/spawn.ts";
import { readOwnFile } from "./definition.ts";
import { tableName } from "./names.ts";
import { type FilterFacts, renderFilterRemoval, renderFilterTable } from "./render-filter.ts";
import {
  type FirewallFacts as InetFacts,
  renderNftables,
  renderNftablesRemoval,
  renderNftablesTable,
} from "./render-nftables.ts";

/** The facts for all rules of a network: who reaches whom, and what its instances may send. */
export type FirewallFacts = Omit<InetFacts, "nics"> & FilterFacts;

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
  const [wanted, found] = [renderRules(facts), await listTables(facts, spawn, options)].map(squeeze);
  if (found === "") return false;
  return wanted === found || readOwnFile(listed) === `${wanted}\n${found}`;
}

/**
 * Puts the network's rules in place and replaces earlier ones. It takes four times as long as {@link
 * isFirewallApplied}. nft lists rules as we write them, except for blanks. If a version lists them differently, its
 * list is kept in the file `listed`. Without it, as on a full disk, the rules are taken for missing, and put in place
 * again.
 */
export async function applyFirewall(
  facts: FirewallFacts,
  listed: string,
  spawn: Spawn,
  options: Abortable = {},
): Promise<void> {
  await spawn(["nft", "-f", "-"], { stdin: renderAll(facts), signal: options.signal });
  const [wanted, found] = [renderRules(facts), await listTables(facts, spawn, options)].map(squeeze);
  if (found === "" || wanted === found) return;
  try {
    await replaceFile(listed, `${wanted}\n${found}`);
  } catch (error) {
    if (!isDiskFull(error)) throw error;
  }
}

/** All rules of a network, as a script of nft(8). */
export function renderRules(facts: FirewallFacts): string {
  return renderNftablesTable(facts) + renderFilterTable(facts);
}

/** A script that replaces both tables at once. */
function renderAll(facts: FirewallFacts): string {
  return renderNftables(facts) + renderFilterRemoval(facts.name) + renderFilterTable(facts);
}

/** Empty if one is missing. nft 1.0.6 cannot list two tables in one call. */
async function listTables({ name }: FirewallFacts, spawn: Spawn, { signal }: Abortable): Promise<string> {
  const tables = await Promise.all(
    ["inet", "bridge"].map((family) =>
      spawn(["nft", "list", "table", family, tableName(name)], { signal, allow: [0, 1] }),
    ),
  );
  return tables.some(({ stdout }) => stdout === "") ? "" : tables.map(({ stdout }) => stdout).join("");
}

/** Without blanks, and with the elements of each set in one order. */
function squeeze(rules: string): string {
  return rules
    .replaceAll(/\s+/g, "")
    .replaceAll(/elements=\{([^}]*)\}/g, (_, list: string) => `elements={${list.split(",").sort().join(",")}}`);
}

/** Removes the network's rules. Idempotent. */
export async function removeFirewall(network: string, spawn: Spawn): Promise<void> {
  await spawn(["nft", "-f", "-"], { stdin: renderNftablesRemoval(network) + renderFilterRemoval(network) });
}
