import { describe, expect, it, vi } from "vitest";
import { programFixture, real } from "./support/program-fixture.ts";

const fixture = programFixture();

describe("a program of exec", () => {
  it(
    "runs as the image's user in its home, and as root on request",
    real(async () => {
      await fixture.using({}, async (instance) => {
        await instance.start();
        const who = ["sh", "-c", "id -u; id -G; echo $HOME $USER $FROM"];
        expect((await instance.run(who)).stdout).toBe("1000\n1000 2000\n/home/app app image\n");
        expect((await instance.run(who, { user: "root" })).stdout).toMatch(/^0\n0.*\n\/root root image\n$/);
      });
      await fixture.using({ user: "4242:7" }, async (instance) => {
        await instance.start();
        expect((await instance.run(["sh", "-c", "id -u; id -g"])).stdout).toBe("4242\n7\n");
      });
    }),
  );

  it(
    "can open its own streams by name as any user",
    real(async () => {
      await fixture.using({}, async (instance) => {
        await instance.start();
        for (const user of ["root", "app"])
          expect(
            await instance.run(["sh", "-c", "echo out >/dev/stdout; echo err >/dev/stderr"], { user }),
          ).toMatchObject({ stdout: "out\n", stderr: "err\n" });
      });
    }),
  );

  it(
    "is served at once with three hundred others, the first one included",
    real(async () => {
      await fixture.using({ entrypoint: ["/bin/sleep", "1000"] }, async (instance) => {
        await instance.start();
        const words = Array.from({ length: 300 }, (_, index) => `${index}`);
        const said = await Promise.all(words.map(async (word) => (await instance.run(["echo", word])).stdout));
        expect(said).toEqual(words.map((word) => `${word}\n`));
      });
    }),
  );

  it(
    "by an id that an unprivileged container does not have is refused, with the fix",
    real(async () => {
      const beyond = (place: string) =>
        `invalid ${place}: id 70000 is beyond the ids of an unprivileged container, 0 to 65535: `;
      await fixture.using({}, async (instance) => {
        await instance.start();
        await expect(instance.run(["true"], { user: "70000" })).rejects.toThrow(beyond("exec: user"));
        await expect(instance.run(["true"], { user: "1:70000" })).rejects.toThrow(beyond("exec: user"));
      });
      await expect(fixture.using({ user: "70000" }, async () => undefined)).rejects.toThrow(
        beyond("instance config: oci.user"),
      );
    }),
  );

  it(
    "that runs out of time leaves no process behind, even under a process 1 that does not reap",
    real(async () => {
      await fixture.using(
        { entrypoint: ["/bin/sleep", "1000"] },
        async (instance) => {
          await instance.start();
          const script = "setsid sh -c 'sleep 99 & sleep 99' & sleep 99 & sleep 99";
          const late = () => instance.run(["sh", "-c", script], { timeout: 100 });
          for (let round = 0; round < 10; round += 1) {
            const four = await Promise.allSettled([late(), late(), late(), late()]);
            for (const one of four) expect(one).toMatchObject({ reason: { code: "ERR_TIMEOUT" } });
          }
          // The helper of exec stays. It may reap after the call.
          await vi.waitFor(async () => expect((await instance.metrics()).processes).toBe(2), { timeout: 10_000 });
          expect((await instance.run(["sh", "-c", "ls -d /proc/[0-9]* | wc -l"])).stdout.trim()).toMatch(/^[4-6]$/);
        },
        { limits: { processes: 60 } },
      );
    }),
  );
});
