import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openHost } from "@pileus/core";
import { makeBusyboxRootfs, requires } from "@pileus/core/testing";
import { beforeAll, expect, it } from "vitest";
import { qemu } from "../src/index.ts";
import { QmpClient } from "../src/qmp/index.ts";
import { cache, MACHINE_NEEDS, machinesOf, WARMING, warmCache } from "./support/qemu-subject.ts";
import { User } from "./support/user.ts";

const TIMEOUT = 300_000;
const MIB = 2 ** 20;

beforeAll(warmCache, WARMING);

interface Size {
  readonly limits: { readonly memory?: { readonly limit: number }; readonly cpu?: { readonly limit: number } };
  readonly applied?: unknown;
  readonly limitBytes: number;
  readonly total: number;
  readonly cpus: number;
}

it(
  "grows while it runs, as another process sees it after the one that did it was killed, and keeps that over a reboot",
  { timeout: TIMEOUT },
  requires(MACHINE_NEEDS, async () => {
    const folder = await mkdtemp(join(tmpdir(), "pileus-qemu-grown-"));
    const root = join(folder, "host");
    const signal = AbortSignal.timeout(TIMEOUT);
    const users: User[] = [];
    const user = () => {
      const one = new User(root, "grown");
      users.push(one);
      return one;
    };
    try {
      await makeBusyboxRootfs(join(folder, "rootfs"));
      await using host = await openHost({ root, drivers: [qemu({ cache })] });
      const image = await host.images.import(join(folder, "rootfs"));
      const section = { rootSize: "64MiB", maxMemory: "768MiB", maxCpus: 3 } as const;
      const limits = { memory: "192MiB" };
      await using machine = await host.ephemeral({ driver: "qemu", name: "grown", image, limits, qemu: section });
      await machine.ready({ signal });
      const run = join(root, "instances", (await machine.inspect()).uuid, "run/qmp15.sock");
      const asSeenByQemu = async () => {
        await using qmp = await QmpClient.connect(run, { signal });
        const summary = await qmp.execute("query-memory-size-summary");
        return [summary["plugged-memory"], (await qmp.execute("query-cpus-fast")).length];
      };

      const first = user();
      const before = await first.ask<Size>("size");
      expect([before.limitBytes, before.cpus]).toEqual([192 * MIB, 1]);
      const change = { limits: { memory: "448MiB", cpu: 3 } };
      const changes = await first.ask("update", JSON.stringify(change));
      expect(changes).toEqual([
        { path: "limits.memory", effect: "live" },
        { path: "limits.cpu", effect: "live" },
      ]);
      await first.kill();

      const second = user();
      const grown = await second.ask<Size>("size");
      expect(grown).toMatchObject({ limitBytes: 448 * MIB, cpus: 3, limits: { memory: { limit: 448 * MIB } } });
      expect(grown.applied).toBeUndefined();
      expect(grown.total - before.total).toBe(256 * MIB);
      expect(await asSeenByQemu()).toEqual([256 * MIB, 3]);
      expect((await machine.metrics()).memory.limitBytes).toBe(448 * MIB);

      // Up to the last byte that it can have, and one more.
      await second.ask("update", JSON.stringify({ limits: { memory: "768MiB" } }));
      expect((await second.ask<Size>("size")).total - before.total).toBe(576 * MIB);
      const waits = await second.ask("update", JSON.stringify({ limits: { memory: 768 * MIB + 1, cpu: 1 } }));
      expect(waits).toMatchObject([
        { path: "limits.cpu", effect: "next-start", reason: expect.stringContaining("safely") },
        { path: "limits.memory", effect: "next-start", reason: expect.stringContaining("at most 768MiB") },
      ]);
      expect(await asSeenByQemu()).toEqual([576 * MIB, 3]);
      await second.ask("update", JSON.stringify({ limits: { memory: "320MiB", cpu: 3 } }));
      expect(await asSeenByQemu()).toEqual([128 * MIB, 3]);

      await machine.reboot({ signal });
      await machine.ready({ signal });
      // The driver in the guest has taken it again, some time after the agent answered.
      await expect.poll(() => asSeenByQemu(), { timeout: 60_000 }).toEqual([128 * MIB, 3]);
      expect((await second.ask<Size>("size")).cpus).toBe(3);

      // One that is killed in the middle leaves the old size or the new one.
      const third = user();
      await third.ask("size");
      void third.ask("update", JSON.stringify({ limits: { memory: "512MiB" } })).catch(() => undefined);
      await expect.poll(async () => (await machine.inspect()).config.limits.memory?.limit).toBe(512 * MIB);
      await third.kill();
      expect(await user().ask<Size>("size")).toMatchObject({ limitBytes: 512 * MIB, limits: { cpu: { limit: 3 } } });
    } finally {
      await Promise.all(users.map((one) => one.kill()));
      expect(await machinesOf(root)).toEqual([]);
      await rm(folder, { recursive: true });
    }
  }),
);
