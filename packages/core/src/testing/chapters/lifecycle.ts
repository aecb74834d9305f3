import assert from "node:assert/strict";
import type { Readable } from "node:stream";
import type { InstanceEvent } from "../../contract/events.ts";
import type { AnyInstance, Bench } from "../kit/bench.ts";
import { passing, rejectsWith, within } from "../kit/expect.ts";

/** Chapter: from create to delete. */
export function describeLifecycle(bench: Bench): void {
  const { subject } = bench;

  bench.describe("create and delete", () => {
    bench.it("makes a stopped instance that the host knows", async () => {
      const before = Date.now();
      const image = await bench.image();
      await bench.using(async (instance) => {
        assert.equal(await instance.state(), "stopped");
        const info = await instance.inspect();
        assert.equal(info.name, instance.name);
        assert.equal(info.driver, subject.driver);
        assert.equal(info.image, image.fingerprint);
        assert.match(info.uuid, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
        assert.ok(info.createdAt >= before && info.createdAt <= Date.now());
        assert.deepEqual(
          [info.startedAt, info.pid, info.exit, info.error],
          [undefined, undefined, undefined, undefined],
        );
        assert.deepEqual(
          (await (await bench.host()).list()).find(({ name }) => name === instance.name),
          info,
        );
      });
    });
    bench.it("deletes, twice if need be, and frees the name for another instance", async () => {
      const host = await bench.host();
      const first = await bench.create("kit-again");
      const { uuid } = await first.inspect();
      await first.delete();
      await first.delete();
      await rejectsWith(host.get("kit-again"), "ERR_INSTANCE_NOT_FOUND");
      const second = await bench.create("kit-again");
      assert.notEqual((await second.inspect()).uuid, uuid);
      // The first handle is of the first instance, not of whatever has its name.
      await first.delete();
      await rejectsWith(first.start(), "ERR_INSTANCE_STATE");
      assert.equal(await second.state(), "stopped");
      await second.delete();
    });
    bench.it("deletes a running instance", async () => {
      await bench.using(async (instance) => {
        await instance.start();
        await instance.delete();
        await rejectsWith((await bench.host()).get(instance.name), "ERR_INSTANCE_NOT_FOUND");
      });
    });
    bench.it("deletes an instance that another caller starts meanwhile, or rather whoever is first", async () => {
      await bench.using(async (instance) => {
        const start = instance.start();
        start.catch(() => undefined);
        await instance.delete();
        await start.catch((error) => assert.match(String(error), /StateError|deleted/));
        await rejectsWith((await bench.host()).get(instance.name), "ERR_INSTANCE_NOT_FOUND");
      });
    });
  });

  bench.describe("start", () => {
    bench.it("runs a stopped instance, and is a no-op while it runs", async () => {
      const instance = await bench.stopped();
      const before = Date.now();
      await instance.start();
      assert.equal(await instance.state(), "running");
      const { startedAt } = await instance.inspect();
      assert.ok(startedAt !== undefined && startedAt >= before && startedAt <= Date.now());
      await instance.start();
      assert.equal((await instance.inspect()).startedAt, startedAt);
    });
    bench.it("joins a start under way: two calls, one launch", async () => {
      const instance = await bench.stopped();
      const other = await (await bench.host()).get(instance.name);
      const seen = collect(instance);
      await Promise.all([instance.start(), other.start(), instance.start()]);
      assert.deepEqual(await seen.states(), ["starting", "running"]);
    });
    bench.it("is followed by ready(), after which the instance can be used", async () => {
      const instance = await bench.running();
      await instance.ready({ timeout: bench.deadline });
      if (bench.has("exec")) assert.equal((await instance.run(["echo", "ready"])).stdout, "ready\n");
    });
  });

  bench.describe("stop", () => {
    bench.it("asks for an orderly end, and is a no-op while stopped", async () => {
      const instance = await bench.running();
      await instance.stop({ timeout: bench.deadline });
      assert.equal(await instance.state(), "stopped");
      const { exit, pid } = await instance.inspect();
      assert.equal(exit?.reason, "requested");
      assert.equal(pid, undefined);
      await instance.stop();
      await instance.stop({ mode: "kill" });
    });
    bench.it("works right after start", async () => {
      const instance = await bench.stopped();
      await instance.start();
      await instance.stop({ timeout: bench.deadline });
      assert.equal(await instance.state(), "stopped");
    });
    bench.it("kills at once with mode kill", async () => {
      const instance = await bench.running();
      await instance.stop({ mode: "kill" });
      const { exit, state } = await instance.inspect();
      assert.equal(state, "stopped");
      assert.equal(exit?.reason, "requested");
    });
    bench.it("joins a stop under way", async () => {
      const instance = await bench.running();
      const seen = collect(instance);
      await Promise.all([instance.stop({ timeout: bench.deadline }), instance.stop({ timeout: bench.deadline })]);
      assert.deepEqual(await seen.states(), ["stopping", "stopped"]);
    });
    bench.it(
      "stops a frozen instance",
      async () => {
        const instance = await bench.running();
        await instance.freeze();
        await instance.stop({ timeout: bench.deadline });
        assert.equal(await instance.state(), "stopped");
      },
      "freeze",
    );
    bench.it("restarts: the same instance, started later", async () => {
      const instance = await bench.running();
      const before = await instance.inspect();
      await instance.restart({ timeout: bench.deadline });
      const after = await instance.inspect();
      assert.equal(after.state, "running");
      assert.equal(after.uuid, before.uuid);
      assert.ok((after.startedAt ?? 0) > (before.startedAt ?? 0));
    });
    if (subject.stubborn !== undefined) {
      const timeout = bench.deadline / 10;
      const stubborn = async (test: (instance: AnyInstance) => Promise<void>) => {
        const { stubborn } = subject;
        const keys = typeof stubborn === "function" ? await stubborn(await bench.host()) : stubborn;
        await bench.using(async (instance) => {
          await instance.start();
          await instance.ready({ timeout: bench.deadline });
          await test(instance);
        }, keys);
      };
      bench.it(
        "rejects with TimeoutError on one that does not obey, which runs on, and then kills if asked to",
        async () =>
          stubborn(async (instance) => {
            await rejectsWith(instance.stop({ mode: "ask", timeout }), "ERR_INSTANCE_TIMEOUT");
            assert.equal(await instance.state(), "running");
            await instance.stop({ mode: "ask-then-kill", timeout });
            const { exit, state } = await instance.inspect();
            assert.deepEqual([state, exit?.reason], ["stopped", "requested"]);
          }),
      );
      bench.it("lets a kill overtake an ask", async () =>
        stubborn(async (instance) => {
          const asked = instance.stop({ mode: "ask", timeout: bench.deadline * 100 });
          await instance.stop({ mode: "kill" });
          await within(bench.deadline, "the first stop", asked);
          assert.equal(await instance.state(), "stopped");
        }),
      );
    }
  });

  bench.describe("wait", () => {
    bench.it(
      "tells that the program ended by itself",
      async () => {
        const instance = await bench.running();
        const end = instance.wait();
        await using process = await instance.exec(subject.endsItself ?? ["poweroff"]);
        // Ended with the instance, one way or the other.
        process.exit.catch(() => undefined);
        const exit = await within(bench.deadline, "the end of the instance", end);
        assert.equal(exit.reason, "program");
        assert.equal(await instance.state(), "stopped");
        assert.deepEqual(await instance.wait(), exit);
        assert.deepEqual((await instance.inspect()).exit, exit);
      },
      "exec",
    );
    bench.it("tells that it was stopped, to whoever waited before and asks after", async () => {
      const instance = await bench.running();
      const end = instance.wait();
      await instance.stop({ mode: "kill" });
      const exit = await within(bench.deadline, "wait()", end);
      assert.equal(exit.reason, "requested");
      assert.deepEqual(await instance.wait(), exit);
    });
    bench.it("rejects with StateError for an instance that never ran", async () => {
      await bench.using(async (instance) => {
        await rejectsWith(instance.wait(), "ERR_INSTANCE_STATE");
      });
    });
  });

  bench.describe("freeze", () => {
    bench.it(
      "freezes and unfreezes, again and again",
      async () => {
        const instance = await bench.running();
        await instance.freeze();
        assert.equal(await instance.state(), "frozen");
        await instance.freeze();
        await instance.unfreeze();
        assert.equal(await instance.state(), "running");
        await instance.unfreeze();
        await instance.freeze();
        await instance.unfreeze();
        await instance.ready({ timeout: bench.deadline });
      },
      "freeze",
    );
    bench.it(
      "holds programs where they stand, and lets them go on",
      async () => {
        const instance = await bench.running();
        await using process = await instance.exec(["cat"]);
        const asked = performance.now();
        process.stdin.write("a");
        await within(bench.deadline, "an answer", read(process.stdout, "a"));
        const pace = performance.now() - asked;
        await instance.freeze();
        process.stdin.write("b");
        await passing(50 + pace * 5);
        assert.equal(process.stdout.read(), null, "a frozen program answers");
        await instance.unfreeze();
        await within(bench.deadline, "an answer", read(process.stdout, "b"));
      },
      "freeze",
      "exec",
    );
    bench.it(
      "makes exec reject with StateError, also of a stopped instance",
      async () => {
        const instance = await bench.running();
        await instance.freeze();
        await rejectsWith(instance.run(["true"]), "ERR_INSTANCE_STATE");
        await instance.unfreeze();
        assert.deepEqual((await instance.run(["true"])).exit, { kind: "exited", code: 0 });
        await instance.stop({ mode: "kill" });
        await rejectsWith(instance.run(["true"]), "ERR_INSTANCE_STATE");
        await rejectsWith(instance.freeze(), "ERR_INSTANCE_STATE");
      },
      "freeze",
      "exec",
    );
  });

  bench.describe("what an instance holds", () => {
    bench.it(
      "keeps its files over a stop, forced or not",
      async () => {
        for (const mode of ["ask", "kill"] as const) {
          const first = await bench.running();
          await first.files.write("/root/kept", mode);
          // A kill is a power cut: what a guest has not written to its disk is lost.
          if (bench.has("exec")) await first.run(["sync"]);
          await first.stop({ mode, timeout: bench.deadline });
          const second = await bench.running();
          assert.equal(String(await second.files.readAll("/root/kept")), mode);
        }
      },
      "files",
    );
    bench.it(
      "shows nothing of its files to another instance of the same image",
      async () => {
        const instance = await bench.running();
        await instance.files.write("/root/mine", "secret");
        await bench.using(async (other) => {
          await other.start();
          await other.ready({ timeout: bench.deadline });
          await rejectsWith(other.files.stat("/root/mine"), "ERR_INSTANCE_FILE");
        });
      },
      "files",
    );
  });

  bench.describe("handles", () => {
    bench.it("leave the instance running when disposed, twice if need be", async () => {
      const { name } = await bench.running();
      const host = await bench.host();
      const handle = await host.get(name);
      await handle[Symbol.asyncDispose]();
      await handle[Symbol.asyncDispose]();
      assert.equal(await (await host.get(name)).state(), "running");
    });
    bench.it("of a host that is disposed leave everything running for the next", async () => {
      const before = await (await bench.running()).inspect();
      const former = await bench.host();
      const host = await bench.reopen();
      await former[Symbol.asyncDispose]();
      const instance = await host.get(before.name);
      assert.deepEqual(await instance.inspect(), before);
      if (bench.has("exec")) assert.equal((await (instance as AnyInstance).run(["echo", "here"])).stdout, "here\n");
    });
    bench.it("of an ephemeral instance delete it when disposed", async () => {
      const host = await bench.host();
      const instance = await host.ephemeral(await bench.config("kit-ephemeral"));
      assert.equal(await instance.state(), "running");
      await instance[Symbol.asyncDispose]();
      await instance[Symbol.asyncDispose]();
      await rejectsWith(host.get("kit-ephemeral"), "ERR_INSTANCE_NOT_FOUND");
    });
  });
}

/** The states that an instance goes through from now on. */
function collect(instance: AnyInstance) {
  const states: string[] = [];
  const listen = (event: Extract<InstanceEvent, { type: "state" }>) => void states.push(event.state);
  instance.events.on("state", listen);
  return {
    /** Those up to now, no more being listened to. */
    async states(): Promise<string[]> {
      await new Promise((resolve) => setImmediate(resolve));
      instance.events.off("state", listen);
      return states;
    },
  };
}

async function read(stream: Readable, expected: string): Promise<void> {
  for (;;) {
    const chunk: Buffer | null = stream.read();
    if (chunk !== null) return assert.equal(String(chunk), expected);
    await new Promise((resolve) => stream.once("readable", resolve));
  }
}
