import { describe, expect, it } from "vitest";
import { NetworkConfigSchema } from "../../src/model/network.ts";
import { renderDhcpHosts, renderDnsHosts, renderDnsmasq } from "../../src/network/render-dnsmasq.ts";
import { renderFilterTable } from "../../src/network/render-filter.ts";
import { renderNftables, renderNftablesRemoval } from "../../src/network/render-nftables.ts";

const facts = {
  name: "pileus0",
  ipv4: { address: "10.90.0.1/24", nat: true },
  dns: { domain: "pileus" },
  isolated: false,
  resolves: true,
  served: "/run/pileus-0123456789-pileus0",
};
const rules = { ...facts, nics: [], unknown: [] };
const nics = [
  { mac: "02:00:00:00:00:01", address: "10.90.0.7" },
  { mac: "02:00:00:00:00:02", address: "10.90.0.8" },
];

describe("the rules of a network", () => {
  it("equal the reviewed table", async () => {
    await expect(renderNftables(rules)).toMatchFileSnapshot("golden/nat.nft");
  });

  it("do not masquerade without nat", async () => {
    const table = renderNftables({ ...rules, name: "a-b.c", ipv4: { address: "10.64.3.9/22", nat: false } });
    await expect(table).toMatchFileSnapshot("golden/no-nat.nft");
  });

  it("give no names to a nic of a network without DNS, unless the nic has a policy of its own", () => {
    const nic = { hostInterface: "pil000000000002", address: "10.90.0.7" };
    const other = { hostInterface: "pil000000000003", address: "10.90.0.8", egress: {} };
    const table = renderNftables({ ...rules, egress: { dns: false }, nics: [nic, other] });
    expect(/set without_dns \{([^}]*)/.exec(table)?.[1]).toContain("elements = { 10.90.0.7 ");
  });

  it("let no packet from the bridge back to it on an isolated network", () => {
    const forward = (isolated: boolean) =>
      /chain forward \{([^}]*)\}/.exec(renderNftables({ ...rules, isolated }))?.[1];
    expect(forward(true)).toContain('iifname "pileus0" oifname "pileus0" drop');
    expect(forward(false)).toContain('iifname "pileus0" oifname "pileus0" accept');
  });

  it("bind each nic to its addresses, except one that is not filtered", async () => {
    const filtered = { hostInterface: "pil000000000002", mac: "02:00:00:00:00:02", address: "10.90.0.7" };
    const free = { ...filtered, hostInterface: "pil000000000003", filter: false } as const;
    const facts = { name: "pileus0", mac: "02:00:00:00:00:01", isolated: true, unknown: [] };
    await expect(renderFilterTable({ ...facts, nics: [filtered, free] })).toMatchFileSnapshot("golden/filter.nft");
    const none = renderFilterTable({ ...facts, isolated: false, nics: [] });
    expect(none).not.toContain("elements");
    expect(none).not.toContain("forward");
    expect(none).not.toContain("chain forward");
  });

  it("hand the host what a nic with a policy says to its neighbours, and let nothing from a port that nobody knows", async () => {
    const nic = { hostInterface: "pil000000000002", mac: "02:00:00:00:00:02", address: "10.90.0.7" };
    const limited = { ...nic, egress: { allow: [] } };
    const other = { ...nic, hostInterface: "pil000000000003", mac: "02:00:00:00:00:03", address: "10.90.0.8" };
    const facts = { name: "pileus0", mac: "02:00:00:00:00:01", isolated: false, unknown: ["pil000000000004"] };
    await expect(renderFilterTable({ ...facts, nics: [limited, other] })).toMatchFileSnapshot("golden/limited.nft");
    const all = renderFilterTable({ ...facts, nics: [nic, other], egress: { deny: ["0.0.0.0/0"] } });
    expect(all).toContain('set limited {\n    type ifname\n    elements = { "pil000000000002", "pil000000000003" }');
    const whole = renderFilterTable({
      ...facts,
      nics: [
        { ...nic, egress: { dns: false } },
        { ...nic, egress: {} },
      ],
    });
    expect(whole).not.toContain("limited");
  });

  it("have the policies of the network and of nics, and the ports of the host", async () => {
    const nic = { hostInterface: "pil000000000002", address: "10.90.0.7" };
    const egress = {
      allow: [
        "10.0.0.0/8:5432",
        "1.1.1.1:53/udp",
        "192.0.2.0/24",
        "[2001:DB8::/32]:8000-8099",
        "::/0/icmp",
        "0.0.0.0/0:443",
      ],
      deny: ["10.1.0.0/16/tcp"],
      dns: false,
    };
    const other = {
      hostInterface: "pil000000000003",
      address: "10.90.0.8",
      egress: {},
      host: { allow: "all" },
    } as const;
    const table = renderNftables({
      ...rules,
      nics: [{ ...nic, egress }, other],
      egress: { allow: [] },
      host: { allow: [5432, "8125-8126/udp"] },
    });
    await expect(table).toMatchFileSnapshot("golden/access.nft");
  });

  it("are removed, existing or not, by creating and deleting the table", () => {
    expect(renderNftablesRemoval("pileus0")).toBe("table inet pileus_pileus0\ndelete table inet pileus_pileus0\n");
  });
});

describe("the server of a network", () => {
  it("has the reviewed configuration", async () => {
    await expect(renderDnsmasq(facts)).toMatchFileSnapshot("golden/dnsmasq.conf");
  });

  it("does not look for the host's resolvers where it has none", () => {
    expect(renderDnsmasq({ ...facts, resolves: false })).toBe(`${renderDnsmasq(facts)}no-resolv\n`);
  });

  it("gives each nic its own address for ever, and a name that dnsmasq cannot mistake for a keyword", () => {
    expect(renderDhcpHosts(nics)).toBe("02:00:00:00:00:01,10.90.0.7,infinite\n02:00:00:00:00:02,10.90.0.8,infinite\n");
  });

  it("knows an instance by each of its addresses", () => {
    expect(renderDnsHosts("ignore", nics)).toBe("10.90.0.7 ignore\n10.90.0.8 ignore\n");
  });
});

describe("the configuration of a network", () => {
  it.each([
    { name: "br0\nuser=root" },
    { name: "br0; drop" },
    { name: "a-name-of-sixteen" },
    { name: "../escape" },
    { name: "all" },
    { name: "default" },
    { name: "lo" },
    { name: "br0", ipv4: "169.254.7.1/24" },
    { name: "br0", egress: { deny: ["10.0.0.1/8"] } },
    { name: "br0", dns: { domain: "x\nserver=192.0.2.1" } },
    { name: "br0", dns: { domain: "a..b" } },
    { name: "br0", dns: { domain: "-a.b" } },
    { name: "br0", ipv4: "10.0.0.1/24 dev eth0" },
    { name: "br0", ipv4: "10.0.0.1" },
    { name: "br0", ipv4: "010.0.0.1/24" },
    { name: "br0", nat: true },
  ])("refuses %o", (input) => {
    expect(NetworkConfigSchema.safeParse(input).success).toBe(false);
  });

  it("defaults to masquerading and to a domain for the names of instances", () => {
    const config = NetworkConfigSchema.parse({ name: "br0" });
    expect(config).toEqual({ name: "br0", isolated: false, ipv4: { nat: true }, dns: { domain: "pileus" } });
    expect(NetworkConfigSchema.parse({ ...config, dns: { domain: "a.b-c.example" } }).dns.domain).toBe("a.b-c.example");
  });
});
