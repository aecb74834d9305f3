import assert from "node:assert/strict";
import { eventually, rejectsWith, within } from "../kit/expect.ts";
import type { AnyInstance, Fixture } from "../kit/fixture.ts";
import { collectStates } from "../kit/states.ts";

/** Chapter: stop and restart. */
export function describeStop(fixture: Fixture): void {
  const { subject } = fixture;

  fixture.describe("stop", () => {
    fixture.it("asks for an orderly end, and is a no-op while stopped", async () => {
      const instance = await fixture.running();
      await instance.stop({ timeout: fixture.deadline });
      assert.equal(await instance.state(), "stopped");
      const { exit, pid } = await instance.inspect();
      assert.equal(exit?.reason, "requested");
      assert.equal(pid, undefined);
      await instance.stop();
      await instance.stop({ mode: "kill" });
    });
    fixture.it("works right after start", async () => {
      const instance = await fixture.stopped();
      await instance.start();
      await instance.stop({ timeout: fixture.deadline });
      assert.equal(await instance.state(), "stopped");
    });
    fixture.it("kills at once with mode kill", async () => {
      const instance = await fixture.running();
      await instance.stop({ mode: "kill" });
      const { exit, state } = await instance.inspect();
      assert.equal(state, "stopped");
      assert.equal(exit?.reason, "requested");
    });
    fixture.it("joins a stop under way", async () => {
      const instance = await fixture.running();
      const seen = collectStates(instance);
      await Promise.all([instance.stop({ timeout: fixture.deadline }), instance.stop({ timeout: fixture.deadline })]);
      assert.deepEqual(await seen.states(), ["stopping", "stopped"]);
    });
    fixture.it(
      "stops a frozen instance",
      async () => {
        const instance = await fixture.running();
        await instance.freeze();
        await instance.stop({ timeout: fixture.deadline });
        assert.equal(await instance.state(), "stopped");
      },
      "freeze",
    );
    fixture.it(
      "kills a frozen instance",
      async () => {
        const instance = await fixture.running();
        await instance.freeze();
        await instance.stop({ mode: "kill" });
        assert.equal(await instance.state(), "stopped");
        assert.equal((await instance.inspect()).exit?.reason, "requested");
      },
      "freeze",
    );
    fixture.it("restarts: the same instance, stopped and started", async () => {
      const instance = await fixture.running();
      const { uuid } = await instance.inspect();
      const states: string[] = [];
      instance.events.on("state", ({ state }) => states.push(state));
      await instance.restart({ timeout: fixture.deadline });
      assert.deepEqual(states, ["stopping", "stopped", "starting", "running"]);
      assert.equal((await instance.inspect()).uuid, uuid);
    });
    fixture.it(
      "reboots: the system inside begins anew with its files, and the run goes on",
      async () => {
        const instance = await fixture.running();
        const { startedAt } = await instance.inspect();
        const states = collectStates(instance);
        await instance.files.write("/kept", "over the reboot");
        const program = await instance.exec(["sleep", "3600"]);
        const ended = program.exit.catch(() => undefined);
        await instance.reboot({ timeout: fixture.deadline });
        await within(fixture.deadline, "the end of a program of the boot before", ended);
        assert.equal((await instance.inspect()).startedAt, startedAt);
        assert.equal(await instance.files.readText("/kept"), "over the reboot");
        assert.equal((await instance.run(["echo", "again"])).stdout, "again\n");
        await instance.stop({ timeout: fixture.deadline });
        assert.deepEqual(await states.states(), ["stopping", "stopped"]);
      },
      "reboot",
      "exec",
      "files",
    );
    if (subject.stubborn !== undefined) {
      const timeout = fixture.deadline / 10;
      const stubborn = async (test: (instance: AnyInstance) => Promise<void>) => {
        const { stubborn, stubbornOnce } = subject;
        const keys = typeof stubborn === "function" ? await stubborn(await fixture.host()) : stubborn;
        await fixture.using(async (instance) => {
          await instance.start();
          await instance.ready({ timeout: fixture.deadline });
          if (stubbornOnce !== undefined) {
            await eventually(fixture.deadline, "an instance that does not obey", async () => {
              const { failed } = await instance.run(stubbornOnce);
              return !failed || undefined;
            });
          }
          await test(instance);
        }, keys);
      };
      fixture.it(
        "rejects with TimeoutError while an instance does not obey and runs on, and kills it with ask-then-kill",
        async () =>
          stubborn(async (instance) => {
            await rejectsWith(instance.stop({ mode: "ask", timeout }), "ERR_TIMEOUT");
            assert.equal(await instance.state(), "running");
            await instance.stop({ mode: "ask-then-kill", timeout });
            const { exit, state } = await instance.inspect();
            assert.deepEqual([state, exit?.reason], ["stopped", "requested"]);
          }),
      );
      fixture.it("lets a kill overtake an ask", async () =>
        stubborn(async (instance) => {
          const asked = instance.stop({ mode: "ask", timeout: fixture.deadline * 100 });
          await instance.stop({ mode: "kill" });
          await within(fixture.deadline, "the first stop", asked);
          assert.equal(await instance.state(), "stopped");
        }),
      );
      fixture.it(
        "ends a reboot that waits for an instance which is killed with StateError",
        async () =>
          stubborn(async (instance) => {
            const rebooted = instance.reboot({ timeout: fixture.deadline * 100 });
            const refused = rejectsWith(rebooted, "ERR_INSTANCE_STATE");
            await instance.stop({ mode: "kill" });
            await within(fixture.deadline, "the reboot", refused);
          }),
        "reboot",
      );
    }
  });
}
