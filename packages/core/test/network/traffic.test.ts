import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { readTraffic } from "../../src/network/traffic.ts";

it("tells what the host's end has received as sent by the instance, and leaves out a nic that is gone", () => {
  const folder = mkdtempSync(join(tmpdir(), "pileus-traffic-"));
  try {
    const statistics = join(folder, "pl0", "statistics");
    mkdirSync(statistics, { recursive: true });
    const counters = { bytes: 1, packets: 2, errors: 3, dropped: 4 };
    for (const [name, value] of Object.entries(counters)) {
      writeFileSync(join(statistics, `rx_${name}`), `${value}\n`);
      writeFileSync(join(statistics, `tx_${name}`), `${value * 10}\n`);
    }
    const nics = [
      { device: "eth0", hostInterface: "pl0" },
      { device: "eth1", hostInterface: "pl1" },
    ];
    expect(readTraffic(nics, folder)).toEqual({
      eth0: { sent: counters, received: { bytes: 10, packets: 20, errors: 30, dropped: 40 } },
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
