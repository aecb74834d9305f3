import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Instance } from "@pileus/core";
import { spawn } from "@pileus/core/driver";
import { requires } from "@pileus/core/testing";
import { describe, expect, it } from "vitest";
import type { LxcCapability } from "../../src/index.ts";
import { processesInside } from "../support/processes-inside.ts";
import { NEEDS, systemFixture } from "../support/system-fixture.ts";

const fixture = systemFixture();
const END = { timeout: 20_000 };
const HELPER = "pileus-exec";

/** Runs a script of the inside for every helper there: `$p` is its number. */
const forHelpers = (script: string) =>
  `for p in /proc/[0-9]*; do grep -qs ${HELPER} $p/comm && p=\${p#/proc/} && ${script}; done`;

type System = Instance<LxcCapability>;

/** "command state" of what runs inside beside PID 1 and its children, which are there from the start. */
async function inside(system: System): Promise<readonly string[]> {
  const { pid = 0 } = await system.inspect();
  const own = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").split(" ").map(Number);
  const others = processesInside(pid).filter((one) => one.pid !== pid && !(own.includes(one.pid) && one.state === "S"));
  return others.map(({ command, state }) => `${command} ${state}`);
}

describe("exec in bad luck", () => {
  it(
    "serves three hundred programs at once, the first of a container included",
    requires(NEEDS, async () => {
      await using system = await fixture.running();
      const words = Array.from({ length: 300 }, (_, index) => `${index}\n`);
      const said = await Promise.all(words.map(async (word) => (await system.run(["printf", word])).stdout));
      expect(said).toEqual(words);
      await expect.poll(() => inside(system), END).toEqual([`${HELPER} S`]);
    }),
  );

  it(
    "leaves no process and no zombie of a program whose time is up, whatever it has started",
    requires(NEEDS, async () => {
      await using system = await fixture.running();
      await system.run(["true"]);
      const daemons = "setsid sh -c 'setsid sleep 1001 & (sleep 1002 &); sleep 1003' & (sleep 1004 &); sleep 1005";
      const forks = "trap '' TERM HUP; while :; do setsid sleep 1006 & sleep 0.01; done";
      for (const script of ["exec sleep 1000", daemons, forks]) {
        const run = system.run(["sh", "-c", script], { timeout: 300 });
        await expect(run).rejects.toMatchObject({ code: "ERR_TIMEOUT" });
        await expect.poll(() => inside(system), END).toEqual([`${HELPER} S`]);
      }
      const controller = new AbortController();
      const aborted = Array.from({ length: 40 }, () => system.run(["sleep", "1000"], { signal: controller.signal }));
      const all = Promise.allSettled(aborted);
      controller.abort(new Error("changed my mind"));
      expect(new Set((await all).map(({ status }) => status))).toEqual(new Set(["rejected"]));
      expect((await system.run(["echo", "next"])).stdout).toBe("next\n");
      await expect.poll(() => inside(system), END).toEqual([`${HELPER} S`]);
    }),
  );

  it(
    "goes on when somebody inside stops or kills what serves it",
    requires(NEEDS, async () => {
      await using system = await fixture.running();
      await system.run(["true"]);
      // The one that serves this program is stopped, too, so the call has to end by its time.
      const stopping = system.run(["sh", "-c", forHelpers("kill -STOP $p")], { timeout: 1000 });
      await expect(stopping).rejects.toMatchObject({ code: "ERR_TIMEOUT" });
      await expect(system.run(["true"], { timeout: 300 })).rejects.toMatchObject({ code: "ERR_TIMEOUT" });
      expect((await system.run(["echo", "next"], { timeout: 10_000 })).stdout).toBe("next\n");
      // Including the one that serves this program.
      const killing = system.run(["sh", "-c", forHelpers("kill -9 $p")], { timeout: 10_000 });
      await expect(killing).rejects.toMatchObject({ code: "ERR_CONNECTION" });
      expect((await system.run(["echo", "last"], { timeout: 10_000 })).stdout).toBe("last\n");
    }),
  );

  it(
    "never starts a program whose time was up while what would have started it was stopped",
    requires(NEEDS, async () => {
      await using system = await fixture.running();
      await system.run(["true"]);
      const { pid = 0 } = await system.inspect();
      const helper = processesInside(pid).find(({ command }) => command === HELPER)?.pid ?? 0;
      process.kill(helper, "SIGSTOP");
      const scripts = ["one", "two", "three"].map((name) => `touch /run/${name}; exec sleep 1000`);
      const late = scripts.map((script) => system.run(["sh", "-c", script], { timeout: 300 }));
      for (const { status } of await Promise.allSettled(late)) expect(status).toBe("rejected");
      expect((await system.run(["echo", "next"], { timeout: 10_000 })).stdout).toBe("next\n");
      process.kill(helper, "SIGCONT");
      await expect.poll(() => inside(system), END).toEqual([`${HELPER} S`]);
      expect(await system.run(["sh", "-c", "ls /run/one /run/two /run/three"])).toMatchObject({ stdout: "" });
    }),
  );

  it(
    "waits while the container is frozen, and ends by its time then",
    requires(NEEDS, async () => {
      await using system = await fixture.running();
      await system.run(["true"]);
      const freezing = system.freeze();
      const late = system.run(["echo", "late"], { timeout: 20_000 });
      const never = system.run(["echo", "never"], { timeout: 300 });
      await freezing;
      const outcome = await never.then(
        ({ stdout }) => stdout,
        ({ code }: { code: string }) => code,
      );
      await system.unfreeze();
      // It may have been faster than the freezer.
      expect(["ERR_TIMEOUT", "never\n"]).toContain(outcome);
      expect((await late).stdout).toBe("late\n");
      expect((await system.run(["echo", "next"])).stdout).toBe("next\n");
      await expect.poll(() => inside(system), END).toEqual([`${HELPER} S`]);
    }),
  );

  it(
    "finds the next PID 1 after a reboot inside",
    requires(NEEDS, async () => {
      await using system = await fixture.running();
      await system.run(["true"]);
      const { pid } = await system.inspect();
      await system.reboot();
      expect((await system.run(["echo", "again"], { timeout: 10_000 })).stdout).toBe("again\n");
      expect((await system.inspect()).pid).not.toBe(pid);
      await expect.poll(() => inside(system), END).toEqual([`${HELPER} S`]);
    }),
  );

  it(
    "leaves nothing inside when this process is killed with fifty programs under way",
    requires(NEEDS, async () => {
      await using system = await fixture.running();
      const script = fileURLToPath(new URL("../support/fifty-programs.ts", import.meta.url));
      const argv = [
        process.execPath,
        "--import",
        "tsx",
        "--conditions=@pileus/source",
        script,
        fixture.root,
        system.name,
      ];
      await expect(spawn(argv, { cwd: import.meta.dirname })).rejects.toMatchObject({ signal: "SIGKILL" });
      await expect.poll(() => inside(system), END).toEqual([]);
      expect((await system.run(["echo", "here"])).stdout).toBe("here\n");
    }),
  );

  it(
    "takes less than 200 KiB of the container's memory for what stays",
    requires(NEEDS, async () => {
      await using system = await fixture.running();
      await system.run(["true"]);
      const { pid = 0 } = await system.inspect();
      const [helper] = processesInside(pid).filter(({ command }) => command === HELPER);
      const status = readFileSync(`/proc/${helper?.pid}/status`, "latin1");
      // proc_pid_status(5): in KiB, page tables apart.
      const [resident = 0, tables = 0] = ["VmRSS", "VmPTE"].map((key) =>
        Number(new RegExp(`${key}:\\s+(\\d+)`).exec(status)?.[1]),
      );
      expect(resident + tables).toBeLessThan(200);
      expect(resident).toBeGreaterThan(0);
    }),
  );
});
