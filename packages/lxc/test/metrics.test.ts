import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { expect, it, vi } from "vitest";
import { readMetrics } from "../src/metrics.ts";

it("leaves no pending read when a cgroup cannot be found", async () => {
  const unhandled = vi.fn();
  process.on("unhandledRejection", unhandled);
  try {
    const folder = (controller: string) => {
      if (controller === "cpuacct") return "/no-such-cgroup";
      throw new Error("no descriptors");
    };
    await expect(readMetrics({ controller: () => undefined }, folder)).rejects.toThrow("no descriptors");
    await setTimeout(20);
    expect(unhandled).not.toHaveBeenCalled();
  } finally {
    process.off("unhandledRejection", unhandled);
  }
});

it.each([
  // 64 processors use 2^53 ns in a day and a half.
  { version: 1, file: "cpuacct.usage", text: "9007199254740993000\n" },
  { version: 2, file: "cpu.stat", text: "nr_periods 0\nusage_usec 9007199254740993\nuser_usec 1\n" },
] as const)("keeps processor time exact beyond 2^53 nanoseconds: version $version", async (given) => {
  const folder = mkdtempSync(join(tmpdir(), "pileus-metrics-"));
  try {
    for (const [file, text] of [
      ["memory.stat", "inactive_file 1024\ntotal_inactive_file 1024\n"],
      ["memory.current", "4096\n"],
      ["memory.usage_in_bytes", "4096\n"],
      ["memory.max", "max\n"],
      ["memory.limit_in_bytes", "9223372036854771712\n"],
      ["pids.current", "3\n"],
      [given.file, given.text],
    ] as const)
      writeFileSync(join(folder, file), text);
    const layout = { controller: () => ({ version: given.version, mount: folder }) };
    expect(await readMetrics(layout as never, () => folder)).toEqual({
      cpu: { seconds: 9007199254.740993 },
      memory: { bytes: 3072, limitBytes: undefined },
      processes: 3,
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
