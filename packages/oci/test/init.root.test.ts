import { text } from "node:stream/consumers";
import { describe, expect, it, vi } from "vitest";
import { exited, programFixture, real, sh } from "./support/program-fixture.ts";

const fixture = programFixture();

describe("our init as process 1", () => {
  it(
    "runs the program as its child, of the same user, and ends with its exit code and its output",
    real(async () => {
      const script = "echo $PPID; id -u; echo oops >&2; echo more >>/proc/1/fd/1; exit 7";
      const { stdout, stderr, status } = await fixture.outcome({ ...sh(script), init: true });
      expect(stdout).toBe("1\n1000\nmore\n");
      expect(stderr).toBe("oops\n");
      expect(status).toEqual(exited(7));
    }),
  );

  it(
    "reports the end by a signal as 128 plus the signal",
    real(async () => {
      expect((await fixture.outcome({ ...sh("kill -TERM $$"), init: true })).status).toEqual(exited(143));
    }),
  );

  it(
    "stops a program without a handler at once, which would ignore the signal as process 1",
    real(async () => {
      await fixture.using({ entrypoint: ["sleep", "1000"], stopSignal: "SIGTERM", init: true }, async (instance) => {
        await instance.start();
        await instance.stop({ timeout: 5000 });
        expect(await instance.wait()).toMatchObject({ reason: "requested", status: exited(143) });
      });
    }),
  );

  it(
    "forwards the stop signal once, to a program that has a handler",
    real(async () => {
      const script = "trap 'echo asked; sleep 1; echo done; exit 3' USR1; echo up; while :; do sleep 0.1; done";
      await fixture.using({ ...sh(script), init: true }, async (instance) => {
        await instance.start();
        const output = async () => text(await instance.logs({ stream: "stdout" }));
        await vi.waitFor(async () => expect(await output()).toBe("up\n"), 5000);
        await instance.stop({ timeout: 10_000 });
        expect((await instance.wait()).status).toEqual(exited(3));
        expect(await output()).toBe("up\nasked\ndone\n");
      });
    }),
  );

  it(
    "names a missing program",
    real(async () => {
      const missing = fixture.outcome({ entrypoint: ["/no/such/program"], init: true });
      await expect(missing).rejects.toMatchObject({ code: "ERR_PROGRAM_NOT_FOUND" });
    }),
  );
});

describe("an image that is kept alive", () => {
  it(
    "runs programs, leaves no zombies, and stops at once in an orderly way",
    real(async () => {
      await fixture.using({ keepAlive: true }, async (instance) => {
        await instance.start();
        const { stdout } = await instance.run(["sh", "-c", "id -un; pwd; (sleep 0.01 &); echo $FROM"]);
        expect(stdout).toBe("app\n/srv/made here\nimage\n");
        const zombies = ["sh", "-c", "grep -l 'State:.Z' /proc/[0-9]*/status; :"];
        await vi.waitFor(async () => expect((await instance.run(zombies)).stdout).toBe(""), 5000);
        await instance.files.write("/tmp/kept", "here");
        await instance.exec(["sleep", "1000"]);
        await instance.stop({ timeout: 5000 });
        expect(await instance.wait()).toMatchObject({ reason: "requested", status: exited(0) });
        await instance.start();
        expect(String(await instance.files.readAll("/tmp/kept"))).toBe("here");
      });
    }),
  );

  it.for([false, true])("cannot be changed by its programs, privileged: %s", (privileged, context) =>
    real(async () => {
      await fixture.using({ keepAlive: true, privileged }, async (instance) => {
        await instance.start();
        const attack = "(echo evil >/proc/1/exe) 2>/dev/null || (echo evil >>/proc/1/exe) 2>/dev/null || echo held";
        const options = { user: "root" };
        expect((await instance.run(["sh", "-c", attack], options)).stdout).toBe("held\n");
        expect(
          (await instance.run(["sh", "-c", "kill -KILL 1; kill -STOP 1; echo $$ >/dev/null"], options)).exitCode,
        ).toBe(0);
        expect(await instance.state()).toBe("running");
      });
    })(context),
  );
});
