import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { findPorts } from "../../src/guest/port-names.ts";
import { agentPort } from "../../src/guest-setup/paths.ts";

it("finds the ports that the host has named for the agent, and no other", () => {
  const folder = mkdtempSync(join(tmpdir(), "pileus-ports-"));
  const names = [
    agentPort(0),
    agentPort(1),
    agentPort(12),
    "pileus.agent.",
    "pileus.agent.x",
    "pileus.agents",
    "spice",
  ];
  try {
    for (const [index, name] of names.entries()) {
      mkdirSync(join(folder, `vport0p${index}`));
      writeFileSync(join(folder, `vport0p${index}/name`), `${name}\n`);
    }
    // The kernel has not learned its name yet.
    mkdirSync(join(folder, "vport0p20"));
    expect([...findPorts("pileus.agent", folder)].sort()).toEqual(["/dev/vport0p0", "/dev/vport0p1", "/dev/vport0p2"]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
