import { expect, it } from "vitest";
import { parseAddresses } from "../src/addresses.ts";

it("leaves out loopback and link-local addresses", () => {
  const json = JSON.stringify([
    {
      ifname: "lo",
      link_type: "loopback",
      address: "00:00:00:00:00:00",
      addr_info: [{ family: "inet", local: "127.0.0.1", prefixlen: 8, scope: "host" }],
    },
    {
      ifname: "eth0",
      link_type: "ether",
      address: "02:00:00:aa:bb:cc",
      addr_info: [
        { family: "inet", local: "10.90.0.7", prefixlen: 24, scope: "global" },
        { family: "inet6", local: "fe80::1", prefixlen: 64, scope: "link" },
        { family: "inet6", local: "fd00::7", prefixlen: 64, scope: "global" },
      ],
    },
    { ifname: "tun0", link_type: "none" },
  ]);
  expect(parseAddresses(json)).toEqual([
    { interface: "eth0", family: "inet", address: "10.90.0.7", prefix: 24, mac: "02:00:00:aa:bb:cc" },
    { interface: "eth0", family: "inet6", address: "fd00::7", prefix: 64, mac: "02:00:00:aa:bb:cc" },
  ]);
});
