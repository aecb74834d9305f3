import { text } from "node:stream/consumers";
import { setImmediate } from "node:timers/promises";
import type { CanLogs } from "@pileus/core";
import { identifyProcess, signalProcess, waitForEnd } from "@pileus/core/driver";
import { describe, expect, it } from "vitest";
import { exited, programFixture, real, sh } from "./support/program-fixture.ts";

const fixture = programFixture();

describe("its end", () => {
  it.for([0, 1, 7, 255])("by exit code %d is kept", (code, context) =>
    real(async () => {
      expect((await fixture.outcome(sh(`exit ${code}`))).status).toEqual(exited(code));
    })(context),
  );

  it(
    "right after the start is reported to every later call, always in the same way",
    real(async () => {
      await fixture.using(sh("echo no such table >&2; exit 3"), async (instance) => {
        const calls = [
          () => instance.run(["true"]),
          () => instance.exec(["true"]),
          () => instance.files.readAll("/etc/passwd"),
          () => instance.files.push("/etc/hostname", "/tmp/f"),
          () => instance.addresses(),
          () => instance.metrics(),
        ];
        for (let round = 0; round < 30; round++) {
          await instance.start();
          const call = calls[round % calls.length];
          // A call that is early enough succeeds.
          const refused = await until(() => call?.());
          expect(refused).toMatchObject({
            code: "ERR_INSTANCE_STATE",
            exit: { reason: "program", status: exited(3) },
            message: expect.stringMatching(/it exited with 3; its last output: no such table$/),
          });
        }
      });
    }),
  );

  it(
    "is told with the last lines of both streams",
    real(async () => {
      await fixture.using(sh("echo reading config; echo no such table >&2; exit 3"), async (instance) => {
        await instance.start();
        await instance.wait();
        const refused = expect(instance.run(["true"])).rejects;
        await refused.toThrow(/its last output: (reading config \| no such table|no such table \| reading config)$/);
      });
    }),
  );

  it(
    "by a signal is kept as a signal",
    real(async () => {
      await fixture.using({}, async (instance) => {
        await instance.start();
        const program = await identifyProcess((await instance.inspect()).pid ?? 0);
        if (program !== undefined) await signalProcess(program, "SIGKILL");
        expect(await instance.wait()).toMatchObject({
          reason: "program",
          status: { kind: "signaled", signal: "SIGKILL" },
        });
      });
    }),
  );

  it.for([false, true])("by lack of memory is told, with a small init: %s, and after its start", (init, context) =>
    real(async () => {
      const greedy = { ...sh("tail -c 100000000 /dev/zero; exit $?"), init };
      const end = await fixture.outcome(greedy, { limits: { memory: "32MiB" } });
      expect(end).toMatchObject({ reason: "program", status: exited(137), oom: true });
      expect(end.finishedAt).toBeGreaterThanOrEqual(end.startedAt ?? Number.POSITIVE_INFINITY);
      const direct = { entrypoint: ["tail", "-c", "100000000", "/dev/zero"], init };
      const killed = init ? exited(137) : { kind: "signaled", signal: "SIGKILL" };
      expect(await fixture.outcome(direct, { limits: { memory: "32MiB" } })).toMatchObject({
        status: killed,
        oom: true,
      });
      for (let round = 0; round < 10; round++) {
        const { startedAt = 0, finishedAt = 0, oom } = await fixture.outcome({ ...sh("exit 137"), init });
        expect(finishedAt).toBeGreaterThanOrEqual(startedAt);
        expect(oom).toBe(false);
      }
    })(context),
  );

  it.for([0, 7])("by exit code %d is kept even if no process of ours saw it", (code, context) =>
    real(async () => {
      const ends = { ...sh(`trap 'exit ${code}' TERM; while :; do sleep 1 & wait $!; done`), stopSignal: "SIGTERM" };
      const name = `alone-${code}`;
      const instance = await fixture.host.create({ driver: "oci", name, image: fixture.image, oci: ends });
      await instance.start();
      await instance.run(["sh", "-c", "until grep -q 'SigCgt:.*[4-7c-f]...$' /proc/1/status; do :; done"]);
      const program = await identifyProcess((await instance.inspect()).pid ?? 0);
      await fixture.host[Symbol.asyncDispose]();
      if (program === undefined) throw new Error("it does not run");
      await signalProcess(program, "SIGTERM");
      await waitForEnd(program);
      await fixture.reopen();
      const again = await fixture.host.get(name);
      expect((await again.inspect()).exit).toMatchObject({ reason: "program", status: exited(code) });
      await again.delete();
    })(context),
  );

  it(
    "comes by the image's stop signal, without a limit of liblxc",
    real(async () => {
      await fixture.using({}, async (instance) => {
        await instance.start();
        // If the stop came earlier, the program would end without its message.
        await untilPrinted(instance, "up");
        // This takes longer than the second after which liblxc's own init would kill everything.
        await instance.stop({ timeout: 20_000 });
        expect(await instance.wait()).toMatchObject({ reason: "requested", status: exited(3) });
        expect(await text(await instance.logs({ stream: "stdout" }))).toBe("up\nasked\ndone\n");
      });
    }),
  );
});

describe("its output", () => {
  it(
    "is kept in two streams, only since the last start, and can be read after the stop",
    real(async () => {
      await fixture.using(sh("echo out; echo err >&2"), async (instance) => {
        expect(await text(await instance.logs({ stream: "stdout" }))).toBe("");
        for (let round = 0; round < 2; round++) {
          await instance.start();
          await instance.wait();
          expect(await text(await instance.logs({ stream: "stdout" }))).toBe("out\n");
          expect(await text(await instance.logs({ stream: "stderr" }))).toBe("err\n");
        }
        await expect(instance.logs({ stream: "console" })).rejects.toMatchObject({ code: "ERR_UNSUPPORTED" });
      });
    }),
  );

  it(
    "can be reopened by name by a program without root rights",
    real(async () => {
      const { stdout, stderr } = await fixture.outcome(
        sh("echo a >>/dev/stdout; echo b >>/dev/stderr; echo c >>/proc/self/fd/1"),
      );
      expect([stdout, stderr]).toEqual(["a\nc\n", "b\n"]);
    }),
  );
});

describe("its network", () => {
  it(
    "has its address, its names and its route before it starts",
    real(async () => {
      const script =
        "ip -4 -o addr show eth0; ip route; cat /etc/resolv.conf; hostname -i; ping -c 1 -W 5 10.231.77.1 >/dev/null && echo reached; sleep 1000";
      await fixture.using(
        { ...sh(script), user: "root" },
        async (instance) => {
          await instance.start();
          const [address] = await instance.addresses();
          expect(address).toMatchObject({ interface: "eth0", family: "inet", prefix: 24 });
          expect(address?.address).toMatch(/^10\.231\.77\.\d+$/);
          await untilPrinted(instance, "reached");
          const printed = await text(await instance.logs({ stream: "stdout" }));
          expect(printed).toContain(`inet ${address?.address}/24`);
          expect(printed).toContain("default via 10.231.77.1 dev eth0");
          expect(printed).toContain("search pileus\nnameserver 10.231.77.1");
          expect(printed).toContain(`\n${address?.address}\n`);
        },
        { network: true },
      );
    }),
  );
});

describe("exec", () => {
  it(
    "starts from the image's environment, path and working directory, as its user",
    real(async () => {
      await fixture.using({}, async (instance) => {
        await instance.start();
        const { stdout } = await instance.run(["sh", "-c", 'id -u; pwd; echo $FROM; echo $HOME; echo "$LINES"']);
        expect(stdout).toBe("1000\n/srv/made here\nimage\n/home/app\na\nb\n");
        const { stdout: other } = await instance.run(["sh", "-c", "id -G; pwd; echo $HOME $FROM"], {
          user: "app",
          cwd: "/tmp",
          env: { FROM: "me" },
        });
        expect(other).toBe("1000 2000\n/tmp\n/home/app me\n");
      });
    }),
  );
});

describe("its limits", () => {
  it(
    "are in its metrics",
    real(async () => {
      await fixture.using(
        {},
        async (instance) => {
          await instance.start();
          expect((await instance.metrics()).memory.limitBytes).toBe(64 * 1024 * 1024);
        },
        { limits: { memory: "64MiB" } },
      );
    }),
  );
});

/** Calls until the call fails, and returns its error. */
async function until(call: () => Promise<unknown> | undefined): Promise<unknown> {
  for (;;) {
    try {
      await call();
      // Lets other events be handled in between.
      await setImmediate();
    } catch (error) {
      return error;
    }
  }
}

async function untilPrinted(instance: Pick<CanLogs, "logs">, expected: string): Promise<void> {
  let printed = "";
  for await (const bytes of await instance.logs({ follow: true, signal: AbortSignal.timeout(10_000) })) {
    printed += bytes;
    if (printed.includes(expected)) return;
  }
  throw new Error(`it ended before it printed ${expected}`);
}
