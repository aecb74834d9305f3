import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { AgentProcess, DEADLINE, request } from "./support/agent-process.ts";

const HOUR = 3_600_000;
const ID = "00000000000000aa";

it(
  "tells when a detached program ended, and knows it for an hour, however the guest's clock is set meanwhile",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "pileus-agent-times-"));
    const set = join(folder, "set");
    // The clock of a guest that is set as soon as this file is there.
    const clock = `const now = Date.now; Date.now = () => now() + Number(require("node:fs").existsSync("${set}")) * ${3 * HOUR};`;
    try {
      await using agent = await AgentProcess.start(clock);
      await using client = await agent.client();
      const { programs } = client;
      if (programs === undefined) throw new Error("the agent has no detached programs");
      const { startedAt } = await programs.start({ ...request(["sleep", "1000"]), id: ID }, {});
      writeFileSync(set, "");
      await programs.signal(ID, "SIGKILL", {});
      await programs.wait(ID, {});
      const [info] = await programs.list({});
      expect(info?.endedAt).toBeGreaterThanOrEqual(startedAt);
      expect(info?.endedAt).toBeLessThanOrEqual(Date.now() + 1000);
      rmSync(set);
      expect(await programs.list({})).toHaveLength(1);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
  DEADLINE * 3,
);
