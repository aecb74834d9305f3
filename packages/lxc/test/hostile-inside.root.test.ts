import { readFileSync } from "node:fs";
import { LAUNCH_HELPER } from "@pileus/core/driver";
import { requires } from "@pileus/core/testing";
import { describe, expect, it } from "vitest";
import { EXEC_HELPER } from "../src/helpers.ts";
import { NEEDS, systemFixture } from "./support/system-fixture.ts";

const fixture = systemFixture();

/**
 * Tries to write to a helper through every name of it: while it runs, and, from a process that it leaves behind, after
 * it was killed.
 */
const OVERWRITE = `
attack() { (echo evil >"$1") 2>/dev/null && echo "emptied $1"; (echo evil >>"$1") 2>/dev/null && echo "wrote to $1"; }
for p in /proc/[0-9]*; do
  [ -d $p ] && ! readlink $p/exe >/dev/null && echo hidden && break
  case "$(readlink $p/exe)" in *memfd:*)
    echo found
    attack $p/exe
    setsid sh -c "$HOLD" x $p </dev/null >/report 2>/dev/null &
    while [ ! -e /held ]; do sleep 0.05; done
    break
  esac
done`;
const HOLD = `
exec 9<$1/exe; touch /held
kill -9 \${1#/proc/}
while [ -e $1/exe ]; do sleep 0.05; done
(echo evil >/proc/self/fd/9) && echo emptied; (echo evil >>/proc/self/fd/9) && echo wrote
touch /over`;

describe("what runs in a container", () => {
  it.for([false, true])(
    "cannot change the helpers of this process by what /proc shows of them, privileged: %s",
    (privileged, context) =>
      requires(NEEDS, async () => {
        await using system = await fixture.running({ lxc: { privileged } });
        const { stdout } = await system.run(["sh", "-c", OVERWRITE], { env: { HOLD }, timeout: 20_000 });
        // In a user namespace, even root cannot look into a process whose file it cannot read.
        expect(stdout).toBe(privileged ? "found\n" : "hidden\n");
        if (!privileged) return;
        const wait = "while [ ! -e /over ]; do sleep 0.05; done; cat /report";
        expect((await system.run(["sh", "-c", wait], { timeout: 20_000 })).stdout).toBe("");
        for (const helper of [EXEC_HELPER, LAUNCH_HELPER])
          expect(readFileSync(`/proc/self/fd/${helper.descriptor()}`).equals(helper.content())).toBe(true);
      })(context),
  );

  it.for([false, true])(
    "finds, as PID 1, no trace of the report to the host that it runs, privileged: %s",
    (privileged, context) =>
      requires(NEEDS, async () => {
        const look = `
          ls -A /dev | grep pileus; find /dev /run /tmp -type p; grep pileus- /proc/self/mountinfo | grep init
          for fd in /proc/self/fd/*; do case "$(readlink $fd)" in *pileus*|*memfd*) readlink $fd; esac; done
          readlink /proc/1/exe | grep -v bin/busybox`;
        const init = ["sh", "-c", `{ ${look}\n} >/evidence 2>&1; exec sleep 2147483647`];
        await using system = await fixture.running({ lxc: { init, privileged } });
        const evidence =
          "while [ \"$(tr '\\0' ' ' </proc/1/cmdline)\" != 'sleep 2147483647 ' ]; do sleep 0.05; done; cat /evidence";
        expect((await system.run(["sh", "-c", evidence], { timeout: 20_000 })).stdout).toBe("");
      })(context),
  );

  // A program needs two processes at its start. There is room for none, or for one.
  it.for([10, 11])("can use up its %d processes: exec says so, and all else works", (processes, context) =>
    requires(NEEDS, async () => {
      const { host, image } = fixture;
      const system = await host.create({ driver: "lxc", name: "full", image, limits: { processes } });
      try {
        await system.start();
        const fill = async () => {
          for (let i = 0; i < processes; i += 1) await system.exec(["sleep", "2147483647"]);
        };
        // No ERR_CONNECTION: after the loss of a connection, a call waits for the end of the container.
        const full = { code: "ERR_HOST", message: expect.stringContaining("limit of processes") };
        await expect(fill()).rejects.toMatchObject(full);
        await expect(system.run(["true"], { timeout: 5000 })).rejects.toMatchObject(full);
        const tty = { columns: 80, rows: 24 };
        await expect(system.exec(["true"], { tty })).rejects.toMatchObject(full);
        expect((await system.metrics()).processes).toBeGreaterThanOrEqual(processes - 1);
        expect((await system.files.readAll("/etc/passwd")).length).toBeGreaterThan(0);
        await system.stop({ timeout: 5000 });
        expect(await system.state()).toBe("stopped");
      } finally {
        await system.delete();
      }
    })(context),
  );
});
