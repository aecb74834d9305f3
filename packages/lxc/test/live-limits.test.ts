import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Limits } from "@pileus/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { cpuFiles } from "../src/cpu-limits.ts";
import { limitWrites, setLimits } from "../src/live-limits.ts";
import { LEGACY_FACTS, UNIFIED_FACTS } from "./support/spec.ts";

const [LEGACY, UNIFIED] = [LEGACY_FACTS.cgroups, UNIFIED_FACTS.cgroups];
const writes = (cgroups: typeof LEGACY, limits: Limits, both?: string) =>
  limitWrites(limits, cgroups, both, () => 500).map(({ file, value }) => `${file} ${value}`);
const memory = (limit: number, swap?: number): Limits => ({
  memory: { limit, ...(swap === undefined ? {} : { swap }) },
});
const UNLIMITED = "9223372036854771712";

describe("the writes of limits", () => {
  it("are those of every file, also to take away what is not asked for", () => {
    expect(
      writes(
        LEGACY,
        { cpu: { limit: 0.5, set: "0-3,6", priority: 5 }, memory: { limit: 1000, swap: 500, soft: 700 } },
        UNLIMITED,
      ),
    ).toEqual([
      "memory.limit_in_bytes 1000",
      "memory.memsw.limit_in_bytes 1500",
      "memory.soft_limit_in_bytes 700",
      "cpu.cfs_period_us 100000",
      "cpu.cfs_quota_us 50000",
      "cpu.shares 512",
      "cpuset.cpus 0-3,6",
      "pids.max 500",
    ]);
    expect(writes(UNIFIED, { processes: 5 })).toEqual([
      "memory.swap.max max",
      "memory.max max",
      "memory.low 0",
      "cpu.max max 100000",
      "cpu.weight 100",
      "cpuset.cpus ",
      "pids.max 5",
    ]);
  });

  it("go to the version of cgroups that each controller has", () => {
    const hybrid = { controller: (name: string) => (name === "cpuset" ? LEGACY : UNIFIED).controller(name) };
    const cpu = { set: "1", priority: 0 };
    expect(limitWrites({ cpu }, hybrid, undefined, () => 5)).toMatchObject([
      { file: "memory.swap.max", version: 2 },
      { file: "memory.max", version: 2 },
      { file: "memory.low", version: 2 },
      { file: "cpu.max", version: 2 },
      { file: "cpu.weight", version: 2, value: 1 },
      { file: "cpuset.cpus", version: 1, value: "1" },
      { file: "pids.max", version: 2 },
    ]);
    const [shares] = cpuFiles({ priority: 0 }, LEGACY);
    expect(shares).toMatchObject({ file: "cpu.shares", value: 2 });
  });

  it("keep memory and swap together above memory in version 1 at any moment", () => {
    const order = (limits: Limits, both: string) =>
      writes(LEGACY, limits, both).filter((one) => /^memory\.(memsw\.)?limit/.test(one));
    const [limit, both] = ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"];
    expect(order(memory(3000, 0), "1000")).toEqual([`${both} 3000`, `${limit} 3000`]);
    expect(order(memory(1000, 0), "3000")).toEqual([`${limit} 1000`, `${both} 1000`]);
    expect(order(memory(3000, 0), UNLIMITED)).toEqual([`${limit} 3000`, `${both} 3000`]);
    expect(order(memory(1000), "3000")).toEqual([`${both} -1`, `${limit} 1000`]);
  });
});

describe("a change of limits", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "pileus-limits-"));
    for (const controller of ["cpu", "cpuset", "memory", "pids"]) mkdirSync(join(folder, controller));
    for (const [path, content] of Object.entries(FILES)) writeFileSync(join(folder, path), content);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const FILES = {
    "cpu/cpu.max": "max 100000\n",
    "cpu/cpu.weight": "100\n",
    "cpuset/cpuset.cpus": "\n",
    "memory/memory.current": "5000\n",
    "memory/memory.high": "max\n",
    "memory/memory.max": "9000\n",
    "memory/memory.swap.max": "max\n",
    "pids/pids.max": "max\n",
  };
  const ALL: Limits = { cpu: { limit: 1, set: "0" }, memory: { limit: 8000, swap: 10 }, processes: 5 };
  // A file of a cgroup is replaced by a write, an ordinary one only as far as the write goes.
  const first = (path: string) => /^[a-z0-9]+/.exec(readFileSync(join(folder, path), "utf8"))?.[0];
  const set = (limits: Limits, signal?: AbortSignal) => {
    const run = { name: "a", cgroups: UNIFIED, folder: (controller: string) => join(folder, controller) };
    return setLimits(limits, run, { signal });
  };

  it("that fails in the middle puts back what it has changed", async () => {
    rmSync(join(folder, "pids/pids.max"));
    mkdirSync(join(folder, "pids/pids.max"));
    await expect(set(ALL)).rejects.toMatchObject({ code: "EISDIR" });
    expect([first("cpu/cpu.max"), first("memory/memory.max")]).toEqual(["max", "9000"]);
    expect(readFileSync(join(folder, "memory/memory.swap.max"), "utf8")).toMatch(/^max/);
  });

  it("of a container that dies meanwhile is told as one that has left its cgroups, and leaves nothing to undo", async () => {
    rmSync(join(folder, "pids/pids.max"));
    await expect(set(ALL)).rejects.toMatchObject({ code: "ERR_CONNECTION", message: /has left its cgroups/ });
    expect(first("memory/memory.max")).toBe("9000");
    // All of them go when the processes are to be limited.
    writeFileSync(join(folder, "pids/pids.max"), "max");
    let looks = 0;
    const signal = { aborted: false, throwIfAborted: () => (looks++ === 3 ? rmSync(folder, { recursive: true }) : {}) };
    const failure = await set(ALL, signal as unknown as AbortSignal).catch((error: unknown) => error);
    mkdirSync(folder);
    expect(failure).toMatchObject({ code: "ERR_CONNECTION", cause: { code: "ENOENT" } });
    expect((failure as { cleanupFailures?: unknown }).cleanupFailures).toBeUndefined();
  });

  it("that is aborted meanwhile puts back what it has changed", async () => {
    const controller = new AbortController();
    const run = { name: "a", cgroups: UNIFIED, folder: (name: string) => join(folder, name) };
    const changing = setLimits(memory(8000), run, { signal: controller.signal });
    controller.abort(new Error("enough"));
    await expect(changing).rejects.toThrow("enough");
    expect(first("memory/memory.max")).toBe("9000");
  });

  it("to less memory than is in use is refused in version 2, where the kernel would kill", async () => {
    await expect(set(memory(4000))).rejects.toMatchObject({
      code: "ERR_CONFIG",
      issues: [{ path: ["limits", "memory"] }],
    });
    expect([first("memory/memory.max"), first("memory/memory.high")]).toEqual(["9000", "max0"]);
    await set(memory(6000));
    expect(first("memory/memory.max")).toBe("6000");
  });

  it("to exactly what is in use slows nothing down, and is made, as one that the kernel makes just enough room for", async () => {
    await set(memory(5000));
    expect(first("memory/memory.max")).toBe("5000");
    expect(readFileSync(join(folder, "memory/memory.high"), "utf8")).toBe("max\n");
    // Then what is in use is what is asked for.
    rmSync(join(folder, "memory/memory.high"));
    symlinkSync("memory.current", join(folder, "memory/memory.high"));
    await set(memory(2500));
    expect(first("memory/memory.max")).toBe("2500");
  });

  it("takes away what another process slowed the container down with, which was killed meanwhile", async () => {
    for (const limits of [memory(4000), memory(9000), {}]) {
      writeFileSync(join(folder, "memory/memory.high"), "4000");
      await set(limits).catch(() => undefined);
      expect(first("memory/memory.high")).toMatch(/^max/);
    }
  });

  it("of a container that has left its cgroups is told", async () => {
    const run = { name: "a", cgroups: UNIFIED, folder: () => undefined };
    const failure = await setLimits(memory(6000), run, {}).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "ERR_CONNECTION" });
    // Nothing was written by a name without its folder.
    expect((failure as Error).cause).toBeUndefined();
  });

  /** A signal that does that whenever it is looked at: before each write, while it is slowed down, and at the end. */
  const looking = (look: () => void) => ({ aborted: false, throwIfAborted: look }) as unknown as AbortSignal;
  const failing = (code: string) => Object.assign(new Error(code), { code });
  const expectUnchanged = () => {
    for (const [path, content] of Object.entries(FILES).filter(([path]) => path !== "memory/memory.current"))
      expect(readFileSync(join(folder, path), "utf8"), path).toMatch(new RegExp(`^${content.trim()}`));
  };
  const WRITES = ["memory.swap.max", "memory.max", "cpu.max", "cpu.weight", "cpuset.cpus", "pids.max"];
  const TOLD: Record<string, string> = { ENOENT: "ERR_CONNECTION", ENODEV: "ERR_CONNECTION" };

  describe.each(WRITES.map((file, step) => ({ file, step })))("that is refused at $file", ({ file, step }) => {
    it.each(["EBUSY", "EINVAL", "EACCES", "ENOENT", "ENODEV"])("by %s says so, and leaves what was", async (code) => {
      let looks = 0;
      const signal = looking(() => {
        if (looks++ === step) throw failing(code);
      });
      const failure: unknown = await set(ALL, signal).catch((error: unknown) => error);
      const isTooMuch = code === "EBUSY" && file.startsWith("memory");
      expect(failure).toMatchObject({ code: isTooMuch ? "ERR_CONFIG" : (TOLD[code] ?? code) });
      expect((failure as { cleanupFailures?: unknown }).cleanupFailures).toBeUndefined();
      expectUnchanged();
    });
  });

  it("writes no limit of memory while more than that is in use, and heeds an abort while the kernel takes it back", async () => {
    const seen: (string | undefined)[] = [];
    const signal = looking(() => {
      seen.push(`${first("memory/memory.high")} ${first("memory/memory.max")}`);
      if (seen.at(-1)?.startsWith("4000")) throw failing("enough");
    });
    await expect(set(memory(4000), signal)).rejects.toThrow("enough");
    expect(seen).toEqual(["max 9000", "4000 9000"]);
    expectUnchanged();
  });

  it("of a container that dies while it is slowed down leaves nothing to undo", async () => {
    const signal = looking(() => {
      if (first("memory/memory.high") === "4000") rmSync(join(folder, "memory"), { recursive: true });
    });
    const failure: unknown = await set(memory(4000), signal).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "ERR_CONNECTION" });
    expect((failure as { cleanupFailures?: unknown }).cleanupFailures).toBeUndefined();
  });

  it("that is aborted after its last write puts back all of it", async () => {
    const signal = looking(() => {
      if (first("pids/pids.max")?.startsWith("5")) throw failing("late");
    });
    await expect(set(ALL, signal)).rejects.toThrow("late");
    expectUnchanged();
  });

  it("says first why it failed, though the container cannot be sped up again", async () => {
    const signal = looking(() => {
      if (first("memory/memory.high") !== "4000") return;
      rmSync(join(folder, "memory/memory.high"));
      mkdirSync(join(folder, "memory/memory.high"));
    });
    await expect(set(memory(4000), signal)).rejects.toMatchObject({
      code: "ERR_CONFIG",
      cleanupFailures: [{ code: "EISDIR" }],
    });
    await expect(set(memory(6000))).rejects.toMatchObject({ code: "EISDIR" });
    expect(first("memory/memory.max")).toBe("9000");
  });

  it("takes away no limit of what the kernel does not count, and refuses to set one", async () => {
    rmSync(join(folder, "memory/memory.swap.max"));
    await set({ processes: 5 });
    expect(first("pids/pids.max")).toMatch(/^5/);
    await expect(set(ALL)).rejects.toMatchObject({ code: "ERR_CONNECTION" });
  });

  it("leaves no file open", async () => {
    const open = () => readdirSync("/proc/self/fd").length;
    await set(ALL);
    const before = open();
    for (let round = 0; round < 20; round += 1) await set(ALL);
    expect(open()).toBeLessThan(before + 20);
  });

  it("in version 1 reads what both memory and swap are limited to, for the order in which it writes", async () => {
    const [limit, both] = ["memory/memory.limit_in_bytes", "memory/memory.memsw.limit_in_bytes"];
    for (const path of [limit, both]) writeFileSync(join(folder, path), "1000\n");
    for (const file of ["cfs_period_us", "cfs_quota_us"]) writeFileSync(join(folder, `cpu/cpu.${file}`), "-1\n");
    for (const path of ["cpu/cpu.shares", "cpuset.cpus", "cpuset/cpuset.cpus"]) writeFileSync(join(folder, path), "0");
    const seen: string[] = [];
    const signal = looking(() => void seen.push(`${first(limit)} ${first(both)}`));
    const run = { name: "a", cgroups: LEGACY, folder: (controller: string) => join(folder, controller) };
    await setLimits(memory(3000, 0), run, { signal });
    expect(seen.slice(0, 3)).toEqual(["1000 1000", "1000 3000", "3000 3000"]);
  });
});
