import { describe, expect, it } from "vitest";
import { ConfigError } from "../../src/errors/all.ts";
import { assertUsableSubnet, chooseSubnet, type Route, takenByRoutes } from "../../src/network/choose-subnet.ts";
import { overlaps, parseSubnet, renderMask, renderNetwork } from "../../src/network/subnet.ts";

const routes = (...list: Route[]) => takenByRoutes(list, "br0");

function issuesOf(call: () => unknown) {
  try {
    call();
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).issues;
  }
  return [];
}

describe("an address written with its prefix", () => {
  it.each([
    ["10.90.0.1/24", "10.90.0.0/24", "255.255.255.0"],
    ["10.64.3.9/22", "10.64.0.0/22", "255.255.252.0"],
    ["255.255.255.255/8", "255.0.0.0/8", "255.0.0.0"],
    ["192.0.2.7", "192.0.2.7/32", "255.255.255.255"],
    ["0.0.0.0/0", "0.0.0.0/0", "0.0.0.0"],
  ])("%s is in %s, with the mask %s", (text, network, mask) => {
    expect(renderNetwork(parseSubnet(text))).toBe(network);
    expect(renderMask(parseSubnet(text))).toBe(mask);
  });
});

describe("the network chosen by default", () => {
  it("is a /24 of 10.64.0.0/10, the bridge its first address, the same for the same seed", () => {
    for (let i = 0; i < 200; i++) {
      const chosen = chooseSubnet([], `host/${i}`);
      expect(chosen).toMatch(/^10\.\d+\.\d+\.1\/24$/);
      expect(overlaps(parseSubnet(chosen), parseSubnet("10.64.0.0/10"))).toBe(true);
      expect(chooseSubnet([], `host/${i}`)).toBe(chosen);
    }
    expect(new Set(Array.from({ length: 200 }, (_, i) => chooseSubnet([], `host/${i}`))).size).toBeGreaterThan(190);
  });

  it("overlaps no route, and takes the last free one", () => {
    const halves = ["10.64.0.0/11", "10.96.0.0/12", "10.112.0.0/13", "10.120.0.0/14", "10.124.0.0/15", "10.126.0.0/16"];
    const most = [
      ...halves,
      "10.127.0.0/17",
      "10.127.128.0/18",
      "10.127.192.0/19",
      "10.127.224.0/20",
      "10.127.240.0/21",
    ];
    const rest = ["10.127.248.0/22", "10.127.252.0/23", "10.127.255.7"];
    const taken = routes({ dst: "default", gateway: "192.0.2.1" }, ...[...most, ...rest].map((dst) => ({ dst })));
    expect(chooseSubnet(taken, "any")).toBe("10.127.254.1/24");
  });

  it("is another private one where a route covers 10.0.0.0/8, or that and 172.16.0.0/12", () => {
    const ten = { dst: "10.0.0.0/8", dev: "vpn0", gateway: "192.0.2.9" };
    expect(chooseSubnet(routes(ten), "any")).toMatch(/^172\.(1[6-9]|2\d|3[01])\.\d+\.1\/24$/);
    expect(chooseSubnet(routes(ten, { dst: "172.16.0.0/12" }), "any")).toMatch(/^192\.168\.\d+\.1\/24$/);
  });

  it("is the same beside the pieces of a default route that a VPN client adds", () => {
    const gateway = "10.8.0.5";
    for (const way of [{ gateway }, { dev: "wg0" }])
      for (const pieces of [["0.0.0.0/1", "128.0.0.0/1"], ["0.0.0.0/2"], ["8.0.0.0/7"]])
        expect(chooseSubnet(routes(...pieces.map((dst) => ({ dst, ...way }))), "any")).toBe(chooseSubnet([], "any"));
  });

  it("is refused with ConfigError when routes cover all", () => {
    const taken = routes(...["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"].map((dst) => ({ dst, dev: "vpn0" })));
    expect(issuesOf(() => chooseSubnet(taken, "any"))).toEqual([
      {
        path: ["ipv4", "address"],
        message: expect.stringContaining("no /24 of 10.64.0.0/10, 172.16.0.0/12, 192.168.0.0/16 is free"),
      },
    ]);
  });
});

describe("the network chosen by the caller", () => {
  it.each([
    ["10.90.0.0/24", "10.90.0.1/24"],
    ["10.90.0.255/24", "10.90.0.1/24"],
    ["10.90.0.1/31", "8 to 30 bits"],
    ["10.90.0.1/7", "8 to 30 bits"],
    ["127.1.0.1/24", "not an address"],
    ["224.0.0.1/24", "not an address"],
    ["0.0.0.1/24", "not an address"],
  ])("is refused as %s, saying: %s", (address, message) => {
    expect(() => assertUsableSubnet(address, [])).toThrow(message);
  });

  it.each(["10.0.0.1/8", "1.0.0.1/8", "10.90.0.1/30"])("may be %s, the longest and the shortest", (address) => {
    assertUsableSubnet(address, []);
  });

  it("is refused under its key, also because of a route without an interface", () => {
    const taken = routes({ dst: "10.90.0.0/16" });
    expect(issuesOf(() => assertUsableSubnet("10.90.0.1/24", taken))).toEqual([
      { path: ["ipv4", "address"], message: "10.90.0.0/24 overlaps the route to 10.90.0.0/16: choose another" },
    ]);
  });

  it("is refused when it overlaps the network of an interface, and the error names both", () => {
    const taken = routes({ dst: "192.0.2.0/24", dev: "eth0" });
    expect(() => assertUsableSubnet("192.0.2.129/25", taken)).toThrow(
      "192.0.2.128/25 overlaps the route to 192.0.2.0/24 by eth0",
    );
    expect(() => assertUsableSubnet("192.0.0.1/16", taken)).toThrow(ConfigError);
  });

  it.each(["10.90.0.0", "10.90.0.255"])("is refused when it ends in %s, which belongs to another", (dst) => {
    expect(() => assertUsableSubnet("10.90.0.1/24", routes({ dst, dev: "eth0" }))).toThrow(ConfigError);
  });

  it("may lie in a larger network behind a router, but not equal or contain one", () => {
    const taken = routes({ dst: "10.0.0.0/8", gateway: "192.0.2.9" }, { dst: "10.91.0.0/24", gateway: "192.0.2.9" });
    assertUsableSubnet("10.90.0.1/24", taken);
    expect(() => assertUsableSubnet("10.91.0.1/24", taken)).toThrow(ConfigError);
    expect(() => assertUsableSubnet("10.90.0.1/15", taken)).toThrow(ConfigError);
  });

  it.each([
    ["by several routers", { nexthops: [{ gateway: "192.0.2.9" }, { gateway: "192.0.2.10" }] }],
    ["by a router with an IPv6 address", { via: { family: "inet6", host: "fe80::1" }, dev: "eth0" }],
    ["that leads nowhere", { type: "unreachable" }],
  ])("may lie in a larger network with a route %s", (_, way) => {
    assertUsableSubnet("10.90.0.1/24", routes({ dst: "10.0.0.0/8", ...way }));
    expect(() => assertUsableSubnet("10.0.0.1/8", routes({ dst: "10.0.0.0/8", ...way }))).toThrow(ConfigError);
  });

  it("collides neither with the default route or a piece of it, nor with the route of its own bridge", () => {
    const pieces = ["default", "0.0.0.0/1", "128.0.0.0/1"].map((dst) => ({ dst, dev: "wg0" }));
    assertUsableSubnet("10.90.0.1/24", routes(...pieces, { dst: "10.90.0.0/24", dev: "br0" }));
  });
});
