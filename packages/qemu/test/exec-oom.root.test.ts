import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openHost } from "@pileus/core";
import { FIXTURE_USER, makeBusyboxRootfs, requires } from "@pileus/core/testing";
import { beforeAll, expect, it } from "vitest";
import { qemu } from "../src/index.ts";
import { cache, MACHINE_NEEDS, WARMING, warmCache } from "./support/qemu-subject.ts";

const TIMEOUT = 120_000;

beforeAll(warmCache, WARMING);

it(
  "spares the agent when the guest has no memory left, not the programs, and tells which of them was killed for it",
  { timeout: TIMEOUT },
  requires(MACHINE_NEEDS, async () => {
    const folder = await mkdtemp(join(tmpdir(), "pileus-qemu-oom-"));
    try {
      await using host = await openHost({ root: join(folder, "host"), drivers: [qemu({ cache })] });
      await makeBusyboxRootfs(join(folder, "rootfs"));
      const image = await host.images.import(join(folder, "rootfs"));
      const limits = { memory: "192MiB" } as const;
      await using machine = await host.ephemeral({ driver: "qemu", name: "greedy", image, limits });
      await machine.ready({ timeout: TIMEOUT });
      const scores = "cat /proc/$PPID/oom_score_adj /proc/self/oom_score_adj";
      for (const user of ["root", FIXTURE_USER.name])
        expect((await machine.run(["sh", "-c", scores], { user })).stdout).toBe("-1000\n0\n");
      const greedy = ["dd", "if=/dev/zero", "of=/dev/null", "bs=150M", "count=1"];
      const killed = { signal: "SIGKILL", failed: true, oom: true };
      expect(await machine.run(greedy)).toMatchObject(killed);
      expect(await machine.run(["sh", "-c", "kill -KILL $$"])).toMatchObject({ signal: "SIGKILL", oom: false });
    } finally {
      await rm(folder, { recursive: true });
    }
  }),
);
