import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { expect, it, vi } from "vitest";
import { readMetrics } from "../src/metrics.ts";

/** cgroup-v2.rst, io.stat: of a device that is not there any more, and of a loop device, which is on it. */
const IO_STAT =
  "8000:1 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n7:0 rbytes=4096 wbytes=0 rios=1 wios=0\n";

it("leaves no pending read when a cgroup cannot be found", async () => {
  const unhandled = vi.fn();
  process.on("unhandledRejection", unhandled);
  try {
    const folder = (controller: string) => {
      if (controller === "cpuacct") return "/no-such-cgroup";
      throw new Error("no descriptors");
    };
    await expect(
      readMetrics({ cgroups: { controller: () => undefined }, folder, inner: "init", nics: [] }),
    ).rejects.toThrow("no descriptors");
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
    mkdirSync(join(folder, "init"));
    writeFileSync(join(folder, "init", "memory.oom_control"), "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n");
    for (const [file, text] of [
      ["memory.stat", "inactive_file 1024\ntotal_swap 512\ntotal_inactive_file 1024\n"],
      ["memory.swap.current", "512\n"],
      ["memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"],
      ["memory.events", "low 0\nhigh 0\nmax 7\noom 4\noom_kill 3\n"],
      ["io.stat", IO_STAT],
      ["memory.current", "4096\n"],
      ["memory.usage_in_bytes", "4096\n"],
      ["memory.max", "max\n"],
      ["memory.limit_in_bytes", "9223372036854771712\n"],
      ["pids.current", "3\n"],
      [given.file, given.text],
    ] as const)
      writeFileSync(join(folder, file), text);
    const cgroups = { controller: () => ({ version: given.version, path: folder, root: "/" }) };
    const metrics = await readMetrics({ cgroups, folder: () => folder, inner: "init", nics: [] });
    expect(metrics).toEqual({
      cpu: { seconds: 9007199254.740993 },
      memory: { bytes: 3072, limitBytes: undefined, swapBytes: 512, oomKills: 3 },
      processes: 3,
      network: {},
      disk: given.version === 2 ? { root: { read: 4096, written: 8192 } } : undefined,
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
