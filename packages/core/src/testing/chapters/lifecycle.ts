import assert from "node:assert/strict";
import { rejectsWith, within } from "../kit/expect.ts";
import type { AnyInstance, Fixture } from "../kit/fixture.ts";
import { collectStates } from "../kit/states.ts";

/** Chapter: from create to delete. */
export function describeLifecycle(fixture: Fixture): void {
  const { subject } = fixture;

  fixture.describe("create and delete", () => {
    fixture.it("makes a stopped instance that the host knows", async () => {
      const before = Date.now();
      const image = await fixture.image();
      await fixture.using(async (instance) => {
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
          (await (await fixture.host()).list()).find(({ name }) => name === instance.name),
          info,
        );
      });
    });
    fixture.it("deletes, twice if need be, and frees the name for another instance", async () => {
      const host = await fixture.host();
      const first = await fixture.create("kit-again");
      const { uuid } = await first.inspect();
      await first.delete();
      await first.delete();
      await rejectsWith(host.get("kit-again"), "ERR_INSTANCE_NOT_FOUND");
      const second = await fixture.create("kit-again");
      assert.notEqual((await second.inspect()).uuid, uuid);
      // The first handle belongs to the first instance, not to a later one of the same name.
      await first.delete();
      await rejectsWith(first.start(), "ERR_INSTANCE_STATE");
      assert.equal(await second.state(), "stopped");
      await second.delete();
    });
    fixture.it("deletes a running instance", async () => {
      await fixture.using(async (instance) => {
        await instance.start();
        await instance.delete();
        await rejectsWith((await fixture.host()).get(instance.name), "ERR_INSTANCE_NOT_FOUND");
      });
    });
    fixture.it("deletes an instance while another caller starts it, whichever comes first", async () => {
      await fixture.using(async (instance) => {
        const start = instance.start();
        start.catch(() => undefined);
        await instance.delete();
        await start.catch((error) => assert.match(String(error), /StateError|deleted/));
        await rejectsWith((await fixture.host()).get(instance.name), "ERR_INSTANCE_NOT_FOUND");
      });
    });
  });

  fixture.describe("start", () => {
    fixture.it("runs a stopped instance, and is a no-op while it runs", async () => {
      const instance = await fixture.stopped();
      const before = Date.now();
      await instance.start();
      assert.equal(await instance.state(), "running");
      const { startedAt } = await instance.inspect();
      assert.ok(startedAt !== undefined && startedAt >= before && startedAt <= Date.now());
      await instance.start();
      assert.equal((await instance.inspect()).startedAt, startedAt);
    });
    fixture.it("joins a start under way: two calls, one launch", async () => {
      const instance = await fixture.stopped();
      const other = await (await fixture.host()).get(instance.name);
      const seen = collectStates(instance);
      await Promise.all([instance.start(), other.start(), instance.start()]);
      assert.deepEqual(await seen.states(), ["starting", "running"]);
    });
    if (subject.missing !== undefined)
      fixture.it("rejects with a NotFoundError that names a missing main program", async () => {
        const host = await fixture.host();
        const { program, image = await fixture.image(), config = {} } = (await subject.missing?.(host)) ?? {};
        const instance = await host.create({ ...(await fixture.config(undefined, config)), image });
        try {
          for (let round = 0; round < 2; round += 1) {
            const error = await rejectsWith(instance.start(), "ERR_PROGRAM_NOT_FOUND");
            assert.deepEqual([error.kind, error.subject], ["program", program]);
            assert.equal(await instance.state(), "stopped");
          }
        } finally {
          await instance.delete();
        }
      });
    fixture.it("is followed by ready(), after which the instance can be used", async () => {
      const instance = await fixture.running();
      await instance.ready({ timeout: fixture.deadline });
      if (fixture.has("exec")) assert.equal((await instance.run(["echo", "ready"])).stdout, "ready\n");
    });
  });

  fixture.describe("wait", () => {
    fixture.it(
      "reports that the program ended by itself",
      async () => {
        const instance = await fixture.running();
        const end = instance.wait();
        // The call may resolve or reject: the instance may end before the program is reported as started.
        instance.run(subject.endsItself ?? ["poweroff"]).catch(() => undefined);
        const exit = await within(fixture.deadline, "the end of the instance", end);
        assert.equal(exit.reason, "program");
        assert.equal(await instance.state(), "stopped");
        assert.deepEqual(await instance.wait(), exit);
        assert.deepEqual((await instance.inspect()).exit, exit);
      },
      "exec",
    );
    fixture.it("reports that it was stopped, to waiters before and after", async () => {
      const instance = await fixture.running();
      const end = instance.wait();
      await instance.stop({ mode: "kill" });
      const exit = await within(fixture.deadline, "wait()", end);
      assert.equal(exit.reason, "requested");
      assert.deepEqual(await instance.wait(), exit);
    });
    fixture.it("rejects with StateError for an instance that never ran", async () => {
      await fixture.using(async (instance) => {
        await rejectsWith(instance.wait(), "ERR_INSTANCE_STATE");
      });
    });
  });

  fixture.describe("what an instance holds", () => {
    fixture.it(
      "keeps its files over a stop, forced or not",
      async () => {
        for (const mode of ["ask", "kill"] as const) {
          const first = await fixture.running();
          await first.files.write("/root/kept", mode);
          // A kill is a power cut: a guest loses what it has not written to its disk.
          if (fixture.has("exec")) await first.run(["sync"]);
          await first.stop({ mode, timeout: fixture.deadline });
          const second = await fixture.running();
          assert.equal(String(await second.files.readAll("/root/kept")), mode);
        }
      },
      "files",
    );
    fixture.it(
      "hides its files from another instance of the same image",
      async () => {
        const instance = await fixture.running();
        await instance.files.write("/root/mine", "secret");
        await fixture.using(async (other) => {
          await other.start();
          await other.ready({ timeout: fixture.deadline });
          await rejectsWith(other.files.stat("/root/mine"), "ERR_FILE");
        });
      },
      "files",
    );
  });

  fixture.describe("handles", () => {
    fixture.it("leave the instance running when disposed, twice if need be", async () => {
      const { name } = await fixture.running();
      const host = await fixture.host();
      const handle = await host.get(name);
      await handle[Symbol.asyncDispose]();
      await handle[Symbol.asyncDispose]();
      assert.equal(await (await host.get(name)).state(), "running");
    });
    fixture.it("of a host that is disposed leave everything running for the next", async () => {
      const before = await (await fixture.running()).inspect();
      const former = await fixture.host();
      const host = await fixture.reopen();
      await former[Symbol.asyncDispose]();
      const instance = await host.get(before.name);
      assert.deepEqual(await instance.inspect(), before);
      if (fixture.has("exec")) assert.equal((await (instance as AnyInstance).run(["echo", "here"])).stdout, "here\n");
    });
    fixture.it("of an ephemeral instance delete it when disposed", async () => {
      const host = await fixture.host();
      const instance = await host.ephemeral(await fixture.config("kit-ephemeral"));
      assert.equal(await instance.state(), "running");
      await instance[Symbol.asyncDispose]();
      await instance[Symbol.asyncDispose]();
      await rejectsWith(host.get("kit-ephemeral"), "ERR_INSTANCE_NOT_FOUND");
    });
  });
}
