import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Limits } from "@pileus/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { changeLimits, limitWrites } from "../src/live-limits.ts";
import { LEGACY_FACTS, UNIFIED_FACTS } from "./support/spec.ts";

const [LEGACY, UNIFIED] = [LEGACY_FACTS.cgroups, UNIFIED_FACTS.cgroups];
const writes = (cgroups: typeof LEGACY, before: Limits, after: Limits) =>
  limitWrites({ before, after }, cgroups, () => 500).map(({ file, value }) => `${file} ${value}`);
const memory = (limit: number, swap?: number): Limits => ({
  memory: { limit, ...(swap === undefined ? {} : { swap }) },
});

describe("the writes of a change of limits", () => {
  it("are those of the limits that differ", () => {
    const [before, after] = [
      { cpu: 1, processes: 10, memory: { limit: 1000 } },
      { cpu: 0.5, processes: 10, memory: { limit: 1000 } },
    ];
    expect(writes(LEGACY, before, before)).toEqual([]);
    expect(writes(LEGACY, before, after)).toEqual(["cpu.cfs_quota_us 50000"]);
    expect(writes(UNIFIED, before, after)).toEqual(["cpu.max 50000 100000"]);
  });

  it("take away a limit that is gone; that of processes goes back to the default", () => {
    const before = { cpu: 1, processes: 10, memory: { limit: 1000, swap: 0 } };
    expect(writes(LEGACY, before, {})).toEqual([
      "cpu.cfs_quota_us -1",
      "cpu.cfs_period_us 100000",
      "memory.memsw.limit_in_bytes -1",
      "memory.limit_in_bytes -1",
      "pids.max 500",
    ]);
    expect(writes(UNIFIED, before, {})).toEqual([
      "pids.max 500",
      "memory.max max",
      "memory.swap.max max",
      "cpu.max max 100000",
    ]);
  });

  it("keep memory and swap together above memory in version 1 at any moment", () => {
    const [limit, both] = ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"];
    expect(writes(LEGACY, memory(1000, 0), memory(3000, 0))).toEqual([`${both} 3000`, `${limit} 3000`]);
    expect(writes(LEGACY, memory(3000, 0), memory(1000, 0))).toEqual([`${limit} 1000`, `${both} 1000`]);
    expect(writes(LEGACY, memory(1000, 5000), memory(3000, 0))).toEqual([`${limit} 3000`, `${both} 3000`]);
    expect(writes(LEGACY, memory(1000), memory(3000, 0))).toEqual([`${limit} 3000`, `${both} 3000`]);
    expect(writes(LEGACY, memory(3000, 0), memory(1000))).toEqual([`${both} -1`, `${limit} 1000`]);
  });
});

describe("a change of limits", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "pileus-limits-"));
    for (const controller of ["cpu", "memory", "pids"]) mkdirSync(join(folder, controller));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const file = (path: string) => join(folder, path);
  const change = (cgroups: typeof LEGACY, before: Limits, after: Limits) =>
    changeLimits({ before, after }, cgroups, (controller) => join(folder, controller), {});

  it("that fails in the middle puts back what it has changed", async () => {
    writeFileSync(file("cpu/cpu.max"), "max 100000\n");
    writeFileSync(file("memory/memory.current"), "0\n");
    writeFileSync(file("memory/memory.max"), "max\n");
    // No file of processes.
    await expect(change(UNIFIED, {}, { cpu: 1, memory: { limit: 1000 }, processes: 5 })).rejects.toThrow("pids.max");
    expect(readFileSync(file("cpu/cpu.max"), "utf8").trim()).toBe("max 100000");
    expect(readFileSync(file("memory/memory.max"), "utf8").trim()).toBe("max");
  });

  it("to less memory than is in use is refused in version 2, where the kernel would kill", async () => {
    writeFileSync(file("memory/memory.max"), "9000");
    writeFileSync(file("memory/memory.current"), "5000\n");
    writeFileSync(file("memory/memory.reclaim"), "");
    await expect(change(UNIFIED, memory(9000), memory(4000))).rejects.toMatchObject({
      code: "ERR_CONFIG",
      issues: [{ path: ["limits", "memory"] }],
    });
    expect(readFileSync(file("memory/memory.reclaim"), "utf8")).toBe("1000");
    expect(readFileSync(file("memory/memory.max"), "utf8")).toBe("9000");
    await change(UNIFIED, memory(9000), memory(6000));
    expect(readFileSync(file("memory/memory.max"), "utf8")).toBe("6000");
  });
});
