import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname } from "node:path";
import { openHost } from "@pileus/core";
import { readCgroupLayout, readHeldRun } from "@pileus/core/driver";
import { requires } from "@pileus/core/testing";
import { expect, it, vi } from "vitest";
import { lxc } from "../src/index.ts";
import { NEEDS, systemFixture } from "./support/system-fixture.ts";

const fixture = systemFixture();
const MIB = 2 ** 20;

it(
  "changes memory, processors and processes of a running container, as it sees inside",
  requires(NEEDS, async () => {
    await using box = await fixture.running({ name: "limits", limits: { memory: "64MiB", processes: 100 } });
    const fork = "i=0; while [ $i -lt 20 ]; do sleep 30 & i=$((i+1)); done; wait -n; kill $(jobs -p); exit 0";
    expect(await box.update({ limits: { processes: 12, cpu: 0.5, memory: "96MiB" } })).toEqual({
      changes: [
        { path: "limits.memory", effect: "live" },
        { path: "limits.processes", effect: "live" },
        { path: "limits.cpu", effect: "live" },
      ],
    });
    const { stderr } = await box.run(["sh", "-c", fork], { timeout: 20_000 });
    expect(stderr).toMatch(/fork|Resource temporarily unavailable/);
    expect((await box.metrics()).memory.limitBytes).toBe(96 * MIB);
    await box.update({ limits: { processes: null, memory: null } });
    expect((await box.metrics()).memory.limitBytes).toBeUndefined();
    expect((await box.run(["sh", "-c", "i=0; while [ $i -lt 20 ]; do true & i=$((i+1)); done; wait"])).stderr).toBe("");
  }),
);

it(
  "gives a container the processors that it may use and its share of them, at its start and while it runs",
  requires(NEEDS, async (context) => {
    if (availableParallelism() < 2) return context.skip("this host has one processor");
    const limits = { cpu: { set: "1", priority: 5 } };
    await using box = await fixture.running({ limits });
    const init = async () => {
      const { pid = 0 } = await box.inspect();
      return ofStatus(readFileSync(`/proc/${pid}/status`, "utf8"));
    };
    const inside = async () => ofStatus((await box.run(["cat", "/proc/self/status"])).stdout);
    const weight = async () => weightOf((await box.inspect()).pid ?? 0);
    expect([await init(), await inside(), await weight()]).toEqual(["1", "1", 0.5]);
    const all = ofStatus(readFileSync("/proc/self/status", "utf8"));
    await box.update({ limits: { cpu: { limit: 1, set: "0" } } });
    expect([await init(), await inside(), await weight()]).toEqual(["0", "0", 1]);
    await box.update({ limits: { cpu: { priority: 0 } } });
    expect([await init(), await inside()]).toEqual([all, all]);
    expect(await weight()).toBeLessThan(0.02);
    await box.update({ limits });
    await box.reboot();
    expect([await init(), await inside(), await weight()]).toEqual(["1", "1", 0.5]);
    await expect(box.update({ limits: { cpu: { set: "0,64" } } })).rejects.toMatchObject({
      code: "ERR_CONFIG",
      issues: [{ path: ["limits", "cpu", "set"] }],
    });
    expect(await inside()).toBe("1");
  }),
);

it(
  "gives a container a soft limit of memory, at its start and while it runs",
  requires(NEEDS, async () => {
    await using box = await fixture.running({ limits: { memory: { limit: "64MiB", soft: "32MiB" } } });
    const soft = async () => softLimitOf((await box.inspect()).pid ?? 0);
    expect(await soft()).toBe(32 * MIB);
    await box.update({ limits: { memory: { limit: "96MiB", soft: "48MiB" } } });
    expect(await soft()).toBe(48 * MIB);
    await box.update({ limits: { memory: "64MiB" } });
    expect(await soft()).not.toBe(48 * MIB);
    const above = box.update({ limits: { memory: { limit: "64MiB", soft: "65MiB" } } });
    await expect(above).rejects.toMatchObject({ code: "ERR_CONFIG", issues: [{ path: ["limits", "memory", "soft"] }] });
  }),
);

it(
  "refuses a limit below what the container holds in memory, keeps the old one, and takes it once that is free",
  requires(NEEDS, async () => {
    await using box = await fixture.running({ name: "full", limits: { memory: { limit: "96MiB", swap: 0 } } });
    await box.run(["sh", "-c", "mkdir -p /held && mount -t tmpfs none /held && head -c 50000000 /dev/zero >/held/x"], {
      check: true,
    });
    const before = await box.inspect();
    const lower = { limits: { memory: { limit: "32MiB", swap: 0 }, cpu: 1 } };
    await expect(box.update(lower)).rejects.toMatchObject({
      code: "ERR_CONFIG",
      issues: [{ path: ["limits", "memory"] }],
    });
    expect(await box.inspect()).toEqual(before);
    expect((await box.metrics()).memory.limitBytes).toBe(96 * MIB);
    await box.run(["rm", "/held/x"], { check: true });
    await box.update(lower);
    expect((await box.metrics()).memory.limitBytes).toBe(32 * MIB);
  }),
);

it(
  "keeps changed limits over a reboot inside, also one that another process has to notice",
  requires(NEEDS, async () => {
    const { root } = fixture;
    await using box = await fixture.running({ name: "reboots", limits: { memory: "64MiB", processes: 99 } });
    await box.ready();
    await box.update({ limits: { memory: "96MiB", processes: null } });
    await box.reboot();
    expect((await box.metrics()).memory.limitBytes).toBe(96 * MIB);
    const other = await openHost({ root, drivers: [lxc()] });
    try {
      const found = await other.get("reboots");
      await found.inspect();
      await found.update({ limits: { memory: "80MiB" } });
      // This one was not told of the last change.
      await box.reboot();
      expect((await box.metrics()).memory.limitBytes).toBe(80 * MIB);
    } finally {
      await other[Symbol.asyncDispose]();
    }
  }),
);

it(
  "changes limits while the container reboots, once it has its next init",
  requires(NEEDS, async () => {
    const { root } = fixture;
    await using box = await fixture.running({ name: "between", limits: { memory: "64MiB" } });
    await box.ready();
    const { pid = 0 } = await box.inspect();
    const starter = (await readHeldRun(`${root}/names/between/run`))?.holder ?? 0;
    // The parent of the init starts the next one.
    process.kill(starter, "SIGSTOP");
    try {
      process.kill(pid, "SIGINT");
      await vi.waitFor(() => expect(readFileSync(`/proc/${pid}/stat`, "utf8")).toMatch(/\) Z /), 20_000);
      const updated = box.update({ limits: { memory: "96MiB" } });
      await vi.waitFor(async () => expect((await box.inspect()).config.limits.memory?.limit).toBe(96 * MIB), 20_000);
      process.kill(starter, "SIGCONT");
      await updated;
    } finally {
      process.kill(starter, "SIGCONT");
    }
    expect((await box.metrics()).memory.limitBytes).toBe(96 * MIB);
  }),
);

/** The processors that a process may use. */
function ofStatus(status: string): string | undefined {
  return /^Cpus_allowed_list:\s+(\S+)$/m.exec(status)?.[1];
}

/** The soft limit of memory of the container with this init, in bytes. */
function softLimitOf(init: number): number {
  const layout = readCgroupLayout();
  const inner = layout.folderOf(readFileSync(`/proc/${init}/cgroup`, "utf8"), "memory") ?? "";
  const file = layout.controller("memory")?.version === 1 ? "memory.soft_limit_in_bytes" : "memory.low";
  return Number(readFileSync(`${dirname(inner)}/${file}`, "utf8"));
}

/** The share of contended processors of the container with this init, as part of what others have. */
function weightOf(init: number): number {
  const layout = readCgroupLayout();
  const inner = layout.folderOf(readFileSync(`/proc/${init}/cgroup`, "utf8"), "cpu") ?? "";
  const [file, most] = layout.controller("cpu")?.version === 1 ? ["cpu.shares", 1024] : ["cpu.weight", 100];
  return Number(readFileSync(`${dirname(inner)}/${file}`, "utf8")) / Number(most);
}

it(
  "sets changed limits again in a container that has rebooted while nobody looked",
  requires(NEEDS, async () => {
    const { image, root } = fixture;
    const first = await openHost({ root, drivers: [lxc()] });
    const box = await first.create({ driver: "lxc", name: "unseen", image, limits: { memory: "64MiB" } });
    await box.start();
    await box.ready();
    await box.update({ limits: { memory: "96MiB" } });
    const { pid = 0 } = await box.inspect();
    const starter = (await readHeldRun(`${root}/names/unseen/run`))?.holder ?? 0;
    await first[Symbol.asyncDispose]();
    process.kill(pid, "SIGINT");
    const children = () => readFileSync(`/proc/${starter}/task/${starter}/children`, "utf8").trim();
    await vi.waitFor(() => expect(children()).toMatch(new RegExp(`^(?!${pid}$)\\d+$`)), 20_000);
    const found = await fixture.host.get("unseen", { driver: "lxc" });
    const limited = () =>
      vi.waitFor(async () => expect((await found.metrics()).memory.limitBytes).toBe(96 * MIB), 20_000);
    await limited();
    // Seen, but by no call.
    await found.ready();
    const { pid: next = 0 } = await found.inspect();
    process.kill(next, "SIGINT");
    await vi.waitFor(async () => expect((await found.inspect()).pid).not.toBe(next), 20_000);
    await limited();
    await found.delete();
  }),
);
