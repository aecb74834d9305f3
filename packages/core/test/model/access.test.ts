import { describe, expect, it } from "vitest";
import { ConfigError } from "../../src/errors/all.ts";
import { NicSchema } from "../../src/model/device/nic.ts";
import { readDestination } from "../../src/model/egress.ts";
import { readHostPorts } from "../../src/model/host-access.ts";
import { NetworkConfigSchema } from "../../src/model/network.ts";
import { parse } from "../../src/model/parse.ts";

const NIC = { type: "nic", network: "net0" } as const;

/** The path and the text of the only issue of a nic. */
function refusal(more: object): string {
  try {
    parse(NicSchema, { ...NIC, ...more }, "nic");
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.issues.map(({ path, message }) => `${path.join(".")} ${message}`).join("\n");
  }
  throw new Error("it was accepted");
}

describe("a destination", () => {
  const any = { first: 1, last: 65_535 };
  it.each([
    ["192.0.2.7", { family: "ip", address: "192.0.2.7", prefix: 32 }],
    [
      "10.0.0.0/8:5432",
      { family: "ip", address: "10.0.0.0", prefix: 8, protocol: "tcp", ports: { first: 5432, last: 5432 } },
    ],
    [
      "1.1.1.1:53/udp",
      { family: "ip", address: "1.1.1.1", prefix: 32, protocol: "udp", ports: { first: 53, last: 53 } },
    ],
    ["0.0.0.0/0:1-65535/sctp", { family: "ip", address: "0.0.0.0", prefix: 0, protocol: "sctp", ports: any }],
    ["10.0.0.0/8/icmp", { family: "ip", address: "10.0.0.0", prefix: 8, protocol: "icmp" }],
    ["2001:DB8::1", { family: "ip6", address: "2001:db8::1", prefix: 128 }],
    ["::/0", { family: "ip6", address: "::", prefix: 0 }],
    ["fc00::/7/udp", { family: "ip6", address: "fc00::", prefix: 7, protocol: "udp" }],
    ["[2001:db8::/32]:1-65535", { family: "ip6", address: "2001:db8::", prefix: 32, protocol: "tcp", ports: any }],
    ["[::1]", { family: "ip6", address: "::1", prefix: 128 }],
  ])("is read from %s", (text, destination) => {
    expect(readDestination(text)).toEqual(destination);
  });

  it.each([
    ["example.com:443", "is not a destination"],
    ["", "is not a destination"],
    ["10.0.0.0/8:80; drop", "is not a destination"],
    ["10.0.0.0/8:80-", "is not a destination"],
    ["10.0.0/8", "10.0.0 is not an IPv4 address"],
    ["010.0.0.1", "010.0.0.1 is not an IPv4 address"],
    ["10.0.0.0/33", "at most 32"],
    ["::/129", "at most 128"],
    ["[2001:db8::/]:80", "at most 128"],
    ["[10.0.0.1]:80", "10.0.0.1 is not an IPv6 address"],
    ["[fe80::1%eth0]:80", "fe80::1%eth0 is not an IPv6 address"],
    ["10.0.0.1:0", "from 1 to 65535"],
    ["10.0.0.1:70000", "from 1 to 65535"],
    ["10.0.0.1:90-80", "80-90"],
    ["10.0.0.1:80/http", "the protocol must be tcp, udp, sctp or icmp, not http"],
    ["10.0.0.1:80/icmp", "icmp has no ports"],
  ])("is not %s", (text, problem) => {
    expect(readDestination(text)).toContain(problem);
    expect(refusal({ egress: { allow: ["192.0.2.1", text] } })).toContain(`egress.allow.1 "${text}": `);
  });
});

describe("a port of the host", () => {
  it.each([
    [5432, { protocol: "tcp", ports: { first: 5432, last: 5432 } }],
    ["8125/udp", { protocol: "udp", ports: { first: 8125, last: 8125 } }],
    ["8000-8099", { protocol: "tcp", ports: { first: 8000, last: 8099 } }],
  ])("is read from %s", (entry, ports) => {
    expect(readHostPorts(entry)).toEqual(ports);
  });

  it.each([
    [0, "from 1 to 65535"],
    [80.5, "is not a port"],
    [-1, "is not a port"],
    ["tcp:80", "is not a port"],
    ["80/icmp", "the protocol must be tcp, udp or sctp, not icmp"],
    ["90-80", "80-90"],
  ])("is not %s", (entry, problem) => {
    expect(refusal({ host: [80, entry] })).toContain(`host.allow.1 "${entry}": `);
    expect(refusal({ host: { allow: [entry] } })).toContain(problem);
  });
});

describe("access of a nic and of a network", () => {
  it("has the list of the host's ports, and the word all, as short forms", () => {
    for (const allow of ["all", [80, "90/udp"]] as const) {
      expect(NicSchema.parse({ ...NIC, host: allow }).host).toEqual({ allow });
      expect(NetworkConfigSchema.parse({ name: "net0", host: allow }).host).toEqual({ allow });
    }
    expect(refusal({ host: "none" })).toBe('host must be "all" or a list of ports, as in [5432, "8125/udp"]');
  });

  it.each([
    ["10.0.0.1/8", "10.0.0.1 is an address within a network of 8 bits: write 10.0.0.0/8 for the network, or 10.0.0.1"],
    ["10.64.1.2/10:443", "write 10.64.0.0/10 for"],
    ["192.0.2.7/31/udp", "write 192.0.2.6/31 for"],
    ["0.0.0.1/0", "write 0.0.0.0/0 for"],
    ["[2001:db8:1::1/33]:443", "write 2001:db8::/33 for"],
    ["2001:db8:8000::1/33", "write 2001:db8:8000::/33 for"],
    ["::ffff:192.0.2.7/120", "write ::ffff:192.0.2.0/120 for"],
  ])("does not take %s, which names an address and a network", (text, message) => {
    expect(refusal({ egress: { allow: ["192.0.2.7", text] } })).toContain(`egress.allow.1 "${text}": `);
    expect(refusal({ egress: { deny: [text] } })).toContain(message);
  });

  it.each(["10.0.0.1/32", "10.0.0.0/8", "0.0.0.0/0", "2001:db8::1/128", "::1", "2001:db8::/32", "::/0"])(
    "takes %s",
    (text) => {
      expect(NicSchema.safeParse({ ...NIC, egress: { allow: [text] } }).success).toBe(true);
    },
  );

  it.each(["00:00:00:00:00:00", "01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff"])("is at no address %s", (hwaddr) => {
    expect(refusal({ hwaddr })).toContain("hwaddr ");
  });

  it("has no policy without the filter, under which alone an address says whose packet it is", () => {
    expect(refusal({ filter: false, egress: { allow: [] } })).toContain("egress needs the filter");
    expect(NicSchema.parse({ ...NIC, filter: true, egress: { allow: [] } }).egress).toEqual({ allow: [] });
  });

  it("has at most 256 destinations", () => {
    expect(refusal({ egress: { deny: Array.from({ length: 257 }, () => "192.0.2.1") } })).toContain("egress.deny");
  });
});
