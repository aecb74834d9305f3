import { expect, it } from "vitest";
import { parseExposedPorts } from "../../src/terms/exposed-ports.ts";

const tcp = (port: number) => ({ port, protocol: "tcp" });

it.each([
  [["6379/tcp"], [tcp(6379)]],
  [
    ["53/udp", "53", "132/SCTP"],
    [{ port: 53, protocol: "udp" }, tcp(53), { port: 132, protocol: "sctp" }],
  ],
  [
    ["8000-8002/tcp", "8001"],
    [tcp(8000), tcp(8001), tcp(8002)],
  ],
  [["65535/tcp", "65536/tcp", "0/tcp", "5-3", "80/icmp", "http", "80/tcp/x", "-1", "", "999999999999"], [tcp(65_535)]],
  [[], []],
])("reads %j", (entries, ports) => {
  expect(parseExposedPorts(entries)).toEqual(ports);
});

it("reads each port of overlapping ranges once", () => {
  const ranges = Array.from({ length: 5000 }, (_, index) => `${index + 1}-65535/tcp`);
  const began = performance.now();
  expect(parseExposedPorts([...ranges, "53/udp"])).toHaveLength(65_535);
  expect(performance.now() - began).toBeLessThan(5000);
});
