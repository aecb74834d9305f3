import { beforeAll, describe, expect, it } from "vitest";
import { ESCAPES, expected, reachArgv } from "../../lxc/test/support/attempts.ts";
import { attemptArgv, attemptResults, perlFiles } from "../../lxc/test/support/perl.ts";
import { exited, programFixture, real, sh } from "./support/program-fixture.ts";

const fixture = programFixture();
let perl = "";
beforeAll(async () => {
  if (fixture.image !== "") perl = await fixture.load(["busybox", perlFiles()]);
});

describe("what a program of an application container tries against the host", () => {
  it(
    "is refused by the kernel, call by call, as PID 1 and within exec",
    real(async () => {
      const { attempts, answers } = expected(ESCAPES, "oci");
      const argv = attemptArgv(attempts);
      const { stdout, status } = await fixture.outcome({ entrypoint: argv, user: "0" }, { image: perl });
      expect(status).toEqual(exited(0));
      expect(attemptResults(stdout)).toEqual(answers);
      await fixture.using(
        { keepAlive: true, user: "0" },
        async (instance) => {
          await instance.start();
          expect(attemptResults((await instance.run(argv)).stdout)).toEqual(answers);
        },
        { image: perl },
      );
    }),
  );

  it(
    "reaches no switch, device or memory of the host, no folder of it and no terminal, as PID 1 and within exec",
    real(async () => {
      const argv = reachArgv();
      expect((await fixture.outcome({ entrypoint: argv, user: "0" })).stdout).toBe("");
      await fixture.using({ keepAlive: true, user: "0" }, async (instance) => {
        await instance.start();
        expect((await instance.run(argv)).stdout).toBe("");
      });
    }),
  );

  // What starts a container has folders of the host open (CVE-2024-21626).
  it.for(["/proc/self/fd/7", "/proc/self/fd/12/../..", "/proc/1/fd/20"])(
    "starts in no folder of the host, though its image names one by a descriptor: %s",
    (workdir, context) =>
      real(async () => {
        const start = fixture.outcome({ ...sh("pwd; ls ../../../../.."), user: "0", workdir });
        await expect(start).rejects.toMatchObject({ code: "ERR_FILE", path: workdir, errno: "ENOENT" });
      })(context),
  );

  it(
    "starts in no folder of the host within exec",
    real(async () => {
      await fixture.using({ keepAlive: true, user: "0" }, async (instance) => {
        await instance.start();
        for (const fd of [3, 4, 5, 6, 7, 8, 9]) {
          const { stdout, exit } = await instance.run(["pwd"], { cwd: `/proc/self/fd/${fd}` });
          expect([fd, exit, stdout]).toEqual([fd, exited(126), ""]);
        }
        expect((await instance.run(["pwd"], { cwd: "/proc/self/cwd" })).stdout).toBe("/\n");
      });
    }),
  );
});
