import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { applyFirewall, isFirewallApplied } from "../../src/network/firewall.ts";
import { renderFilterTable } from "../../src/network/render-filter.ts";
import { renderNftablesTable } from "../../src/network/render-nftables.ts";
import type { Spawn } from "../../src/system/spawn.ts";

const nic = (last: number) => ({
  hostInterface: `pil00000000000${last}`,
  mac: `02:00:00:00:00:0${last}`,
  address: `10.90.0.${last}`,
});
const facts = {
  name: "net0",
  mac: "02:00:00:00:00:01",
  ipv4: { address: "10.90.0.1/24", nat: true },
  isolated: false,
  nics: [nic(2), nic(3)],
  unknown: [],
};
const render = () => renderNftablesTable(facts) + renderFilterTable(facts);

let folder: string;
let listing: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "pileus-firewall-"));
});
afterEach(() => rm(folder, { recursive: true }));

const nft: Spawn = async ([, verb, , family]) => {
  const [inet = "", bridge] = listing.split("table bridge");
  const table = family === "inet" ? inet : bridge && `table bridge${bridge}`;
  return { stdout: verb === "list" ? (table ?? "") : "", stderr: "", exitCode: 0 };
};
const isApplied = (ipv4 = facts.ipv4) => isFirewallApplied({ ...facts, ipv4 }, join(folder, "listed"), nft);

it("accepts exactly the rules that it wrote, whatever the blanks", async () => {
  // nft lists elements in an order of its own.
  const list = (elements: string) => elements.replace(/\{ (.*), (.*) \}/, "{ $2,\n\t\t\t $1 }");
  listing = render()
    .replaceAll("  ", "\t")
    .replaceAll(/elements = .*/g, list);
  expect(await isApplied()).toBe(true);
  const whole = listing;
  listing = whole.slice(0, whole.indexOf("table bridge"));
  expect(await isApplied()).toBe(false);
  listing = whole.replace("masquerade", "accept");
  expect(await isApplied()).toBe(false);
  listing = "";
  expect(await isApplied()).toBe(false);
});

it("replaces both tables at once, so that nothing of earlier rules stays", async () => {
  const scripts: string[] = [];
  listing = render();
  await applyFirewall(facts, join(folder, "listed"), async (argv, options) => {
    if (argv[1] === "-f") scripts.push(String(options?.stdin));
    return nft(argv, options);
  });
  const again = (family: string) => `table ${family} pileus_net0\ndelete table ${family} pileus_net0\n`;
  expect(scripts).toEqual([again("inet") + renderNftablesTable(facts) + again("bridge") + renderFilterTable(facts)]);
});

it("never takes one table of the two for its rules, not even if nft listed only one after they were applied", async () => {
  listing = renderNftablesTable(facts);
  await applyFirewall(facts, join(folder, "listed"), nft);
  expect(await isApplied()).toBe(false);
});

it("recognises its rules if nft lists them in other words, as long as they are the wanted ones", async () => {
  const words = render().replace("established,related", "{ established, related }");
  listing = words;
  expect(await isApplied()).toBe(false);
  await applyFirewall(facts, join(folder, "listed"), nft);
  expect(await isApplied()).toBe(true);
  expect(await isApplied({ ...facts.ipv4, nat: false })).toBe(false);
  listing = "";
  expect(await isApplied()).toBe(false);
});
