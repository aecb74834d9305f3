import { describe, expect, it } from "vitest";
import { parseLeases, renderDhcpRelease, withoutLeases } from "../../src/network/lease.ts";

const FILE = "0 02:aa:00:00:00:01 10.99.0.77 alpha *\n1763895000 02:aa:00:00:00:02 10.99.0.78 * 01:02:aa:00:00:00:02\n";

describe("dnsmasq's lease file", () => {
  it("lists the holder of each address", () => {
    expect(parseLeases(FILE)).toEqual([
      { mac: "02:aa:00:00:00:01", address: "10.99.0.77" },
      { mac: "02:aa:00:00:00:02", address: "10.99.0.78" },
    ]);
    expect(parseLeases("")).toEqual([]);
    expect(parseLeases("0\n0 02:aa:00:00:00:01")).toEqual([]);
  });

  it("loses the leases that are dropped and keeps the other lines unchanged", () => {
    const rest = withoutLeases(FILE, (lease) => lease.address === "10.99.0.77");
    expect(rest).toBe("1763895000 02:aa:00:00:00:02 10.99.0.78 * 01:02:aa:00:00:00:02\n");
  });
});

describe("a DHCPRELEASE", () => {
  it("has the fields that RFC 2131 requires", () => {
    const packet = Buffer.from(renderDhcpRelease({ mac: "02:aa:00:00:00:01", address: "10.99.0.77" }, "10.99.0.1"));
    expect(packet.subarray(0, 4).toString("hex")).toBe("01010600");
    expect([...packet.subarray(12, 16)]).toEqual([10, 99, 0, 77]);
    expect(packet.subarray(28, 34).toString("hex")).toBe("02aa00000001");
    expect(packet.subarray(236).toString("hex")).toBe("63825363" + "350107" + "36040a630001" + "ff");
  });
});
