import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { applyFirewall, isFirewallApplied } from "../../src/network/firewall.ts";
import { renderNftablesTable } from "../../src/network/render-nftables.ts";
import type { Spawn } from "../../src/system/spawn.ts";

const facts = { name: "net0", ipv4: { address: "10.90.0.1/24", nat: true } };

let folder: string;
let listing: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pileus-firewall-"));
});
afterEach(() => rm(folder, { recursive: true }));

const nft: Spawn = async (argv) => ({ stdout: argv[1] === "list" ? listing : "", stderr: "", exitCode: 0 });
const isApplied = (ipv4 = facts.ipv4) => isFirewallApplied({ ...facts, ipv4 }, join(folder, "listed"), nft);

it("takes the rules as it wrote them for applied, whatever the blanks, and nothing else", async () => {
  listing = renderNftablesTable(facts).replaceAll("  ", "\t");
  expect(await isApplied()).toBe(true);
  listing = listing.replace("masquerade", "accept");
  expect(await isApplied()).toBe(false);
  listing = "";
  expect(await isApplied()).toBe(false);
});

it("knows its rules again in the words of an nft that lists them in others, as long as they are the wanted ones", async () => {
  const words = renderNftablesTable(facts).replace("established,related", "{ established, related }");
  listing = words;
  expect(await isApplied()).toBe(false);
  await applyFirewall(facts, join(folder, "listed"), nft);
  expect(await isApplied()).toBe(true);
  expect(await isApplied({ ...facts.ipv4, nat: false })).toBe(false);
  listing = "";
  expect(await isApplied()).toBe(false);
});
