import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openHost } from "@pileus/core";
import { inOwnCgroup } from "@pileus/core/driver";
import { lacking, requires } from "@pileus/core/testing";
import { beforeAll, expect, it } from "vitest";
import { debianTar } from "../../../test-support/debian.ts";
import { lxc } from "../src/index.ts";

const TIMEOUT = 120_000;
const NEEDS = ["root", "cgroup", "overlay", "binary:lxc-start", "binary:mmdebstrap"] as const;

// Bootstrapped once on a machine, so that no test has to wait for it.
beforeAll(async () => {
  if (NEEDS.every((need) => lacking(need) === undefined)) await debianTar();
}, 600_000);

it(
  "starts programs under systemd that outlive their service, with their pid, descriptors and environment, and leave no scope",
  { timeout: TIMEOUT },
  requires(NEEDS, async () => {
    const root = await mkdtemp(join(tmpdir(), "pileus-lxc-service-"));
    const signal = AbortSignal.timeout(TIMEOUT);
    try {
      await using host = await openHost({ root, drivers: [lxc()], signal });
      const image = await host.images.import(await debianTar(), { signal });
      const system = await host.create({ driver: "lxc", name: "service", image }, { signal });
      try {
        await system.start({ signal });
        await system.ready({ signal });
        const run = async (...argv: string[]) => {
          const { stdout, stderr, exitCode } = await system.run(argv, { signal });
          if (exitCode !== 0) throw new Error(`${argv.join(" ")}: ${stderr}`);
          return stdout.trim();
        };
        const argv = inOwnCgroup("pileus-one.qemu", ["sleep", "1000000"], { kind: "scope" });
        const script = `HERE=1 ${argv.join(" ")} 3</etc/hostname 4</etc/passwd & echo $! >/run/app.pid; exec sleep 1000000\n`;
        await system.files.writeText("/app.sh", script);
        await run("systemd-run", "--quiet", "--unit=app", "sh", "/app.sh");
        await expect
          .poll(() => run("sh", "-c", "cat /proc/$(cat /run/app.pid)/comm"), { timeout: 30_000 })
          .toBe("sleep");
        const pid = await run("cat", "/run/app.pid");
        await run("systemctl", "stop", "app");
        expect(await run("cat", `/proc/${pid}/comm`)).toBe("sleep");
        expect(await run("readlink", `/proc/${pid}/fd/3`, `/proc/${pid}/fd/4`)).toBe("/etc/hostname\n/etc/passwd");
        expect(await run("sh", "-c", `tr '\\0' '\\n' </proc/${pid}/environ`)).toContain("HERE=1");
        const [scope = ""] = /pileus-one\.qemu-[0-9a-f]{8}\.scope/.exec(await run("cat", `/proc/${pid}/cgroup`)) ?? [];
        expect(await run("systemctl", "show", "--property=Conflicts,Slice", scope)).toBe(
          "Slice=system.slice\nConflicts=",
        );
        await run("sh", "-c", `kill -KILL ${pid}`);
        const units = () => run("systemctl", "list-units", "--all", "--plain", "--no-legend", "pileus-*");
        await expect.poll(units, { timeout: 30_000 }).toBe("");
      } finally {
        await system.delete();
      }
    } finally {
      await rm(root, { recursive: true });
    }
  }),
);
