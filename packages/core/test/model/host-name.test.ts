import { describe, expect, it } from "vitest";
import { ConfigError } from "../../src/errors/all.ts";
import { whyNeverResolved } from "../../src/model/host-name.ts";
import { NetworkConfigSchema } from "../../src/model/network.ts";
import { parse } from "../../src/model/parse.ts";

describe("the name of an instance on a network", () => {
  it.each(["42", "0", "017", "08", "4294967296", "0x10", "0xff", "0x"])("is not %s, a number to resolvers", (name) => {
    expect(whyNeverResolved(name)).toContain("a number");
  });
  it.each(["localhost", "localhost4", "localhost6", "ip6-localhost", "ip6-allnodes", "ipv6-loopback"])(
    "is not %s, which /etc/hosts has",
    (name) => {
      expect(whyNeverResolved(name)).toContain("/etc/hosts");
    },
  );
  it.each(["web", "a42", "42a", "4-2", "0xg", "x0x1", "0b1", "localhost5", "my-localhost", "ip6-web", "ip7-localhost"])(
    "may be %s",
    (name) => {
      expect(whyNeverResolved(name)).toBeUndefined();
    },
  );
});

describe("the domain of a network", () => {
  const network = (domain: string) => parse(NetworkConfigSchema, { name: "net0", dns: { domain } }, "network config");
  it.each([
    ["42", "addresses"],
    ["lab.42", "addresses"],
    ["lab.0x1f", "addresses"],
    ["localhost", "loopback"],
    ["a.localhost", "loopback"],
  ])("is not %s", (domain, words) => {
    expect(() => network(domain)).toThrow(ConfigError);
    expect(() => network(domain)).toThrow(new RegExp(`dns\\.domain: .*${words}`));
  });
  it.each(["pileus", "42.lab", "localhost.lab", "notlocalhost"])("may be %s", (domain) => {
    expect(network(domain).dns.domain).toBe(domain);
  });
});
