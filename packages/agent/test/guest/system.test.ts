import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { oomKills } from "../../src/guest/oom-kills.ts";
import { metrics } from "../../src/guest/system.ts";

let proc: string;

beforeEach(() => {
  proc = mkdtempSync(join(tmpdir(), "pileus-proc-"));
});

afterEach(() => rmSync(proc, { recursive: true }));

it("counts processor time without idle and I/O wait, memory without what is available at once, and processes", () => {
  writeFileSync(join(proc, "stat"), "cpu  100 20 30 5000 400 5 6 7 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\nintr 5\n");
  writeFileSync(
    join(proc, "meminfo"),
    "MemTotal:        1000 kB\nMemFree:          1 kB\nMemAvailable:     400 kB\nHugePages_Total: 0\nSwapTotal: 300 kB\nSwapFree: 100 kB\n",
  );
  writeFileSync(join(proc, "vmstat"), "oom_kill 2\n");
  const stat = (name: string, flags: number) => `${name} (a) b) S 1 1 1 0 -1 ${flags} 0 0 0\n`;
  for (const name of ["1", "2", "42", "77", "self", "sys"]) mkdirSync(join(proc, name));
  writeFileSync(join(proc, "1", "stat"), stat("1", 0x400100));
  // A kernel thread, and a process that ends between list and look: 77.
  writeFileSync(join(proc, "2", "stat"), stat("2", 0x208040));
  writeFileSync(join(proc, "42", "stat"), stat("42", 0x400000));
  expect(metrics(proc)).toEqual({
    cpu: { seconds: 1.61 },
    memory: { bytes: 600 * 1024, limitBytes: 1000 * 1024, swapBytes: 200 * 1024, oomKills: 2 },
    processes: 2,
  });
});

it("counts the kernel's kills for lack of memory, and reports 0 if the kernel does not count them", () => {
  writeFileSync(join(proc, "vmstat"), "oom_kill_disabled 9\nnr_free_pages 5\noom_kill 3\n");
  expect(oomKills(proc)).toBe(3);
  writeFileSync(join(proc, "vmstat"), "nr_free_pages 5\n");
  expect(oomKills(proc)).toBe(0);
});
