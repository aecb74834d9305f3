import assert from "node:assert/strict";
import type { AnyDriver } from "../../contract/backend.ts";
import type { Host } from "../../contract/host.ts";
import type { InstanceInfo } from "../../contract/instance.ts";
import { identifyProcess, signalProcess, waitForEnd } from "../../system/process-identity.ts";
import { crashHost } from "../kit/crash.ts";
import { rejectsWith, within } from "../kit/expect.ts";
import type { AnyInstance, Fixture } from "../kit/fixture.ts";

/** Chapter: the process of a host has died, and another host opens the folder. */
export function describeRecover(fixture: Fixture): void {
  const { subject } = fixture;
  const names = { running: "kit-survivor", frozen: "kit-sleeper", stopped: "kit-idle", lost: "kit-lost" } as const;
  const find = async (host: Host<AnyDriver>, name: string) => (await host.get(name)) as AnyInstance;
  const infos = async (host: Host<AnyDriver>) =>
    new Map((await host.list({ state: "live" })).map((info): [string, InstanceInfo] => [info.name, info]));

  fixture.describe("after its process was killed, another host on the folder", () => {
    fixture.it("finds every instance in its previous state", async () => {
      await fixture.deleteAll();
      await fixture.image();
      await crashHost(fixture, [
        { name: names.running, state: "running" },
        { name: names.stopped, state: "stopped" },
        ...(fixture.has("freeze") ? [{ name: names.frozen, state: "frozen" as const }] : []),
      ]);
      const found = await infos(await fixture.reopen());
      const expected = Object.entries(names).filter(
        ([state]) => state !== "lost" && (state !== "frozen" || fixture.has("freeze")),
      );
      assert.deepEqual(
        [...found.values()].map(({ name, state }) => [name, state]).sort(),
        expected.map(([state, name]) => [name, state]).sort(),
      );
      for (const { error, exit } of found.values()) assert.deepEqual([error, exit], [undefined, undefined]);
    });
    fixture.it("uses what it found", async () => {
      const host = await fixture.host();
      const instance = await find(host, names.running);
      await instance.ready({ timeout: fixture.deadline });
      const { startedAt } = await instance.inspect();
      await instance.start();
      assert.equal((await instance.inspect()).startedAt, startedAt, "it was started a second time");
      if (fixture.has("exec")) {
        assert.equal((await instance.run(["cat"], { input: "still here" })).stdout, "still here");
      }
      if (fixture.has("files")) assert.ok((await instance.files.listAll("/")).length > 0);
      if (fixture.has("freeze")) {
        const sleeper = await find(host, names.frozen);
        await sleeper.unfreeze();
        await sleeper.ready({ timeout: fixture.deadline });
      }
    });
    fixture.it("learns of the end of what it found", async () => {
      const instance = await find(await fixture.host(), names.running);
      const end = instance.wait();
      await instance.stop({ timeout: fixture.deadline });
      assert.equal((await within(fixture.deadline, "wait()", end)).reason, "requested");
      assert.equal(await instance.state(), "stopped");
      await instance.start();
      assert.equal(await instance.state(), "running");
    });
    fixture.it("deletes what it found", async () => {
      await fixture.deleteAll();
      assert.deepEqual(await (await fixture.host()).list(), []);
      await fixture.assertNothingLeft();
    });
    fixture.it("reports which instance died meanwhile, and starts it again", async () => {
      await fixture.image();
      const lose = async (info: InstanceInfo) => (subject.lose === undefined ? killInstance(info) : subject.lose(info));
      await crashHost(fixture, [{ name: names.lost, state: "running" }], lose);
      const host = await fixture.reopen();
      const instance = await find(host, names.lost);
      const { state, exit, error } = await instance.inspect();
      assert.deepEqual([state, error], ["stopped", undefined]);
      assert.ok(exit?.reason === "lost" || exit?.reason === "program", `its exit is ${JSON.stringify(exit)}`);
      await instance.start();
      await instance.ready({ timeout: fixture.deadline });
      await instance.delete();
    });
    if (subject.crash.how === "kill") {
      fixture.it("finds nothing of an instance whose create was cut short", async () => {
        await fixture.deleteAll();
        await fixture.image();
        for (const delay of [0, 10, 40]) {
          await crashHost(fixture, [{ name: "kit-half", state: "creating", delay }]);
          const host = await fixture.reopen();
          const found = (await host.list()).find(({ name }) => name === "kit-half");
          if (found === undefined) {
            await rejectsWith(host.get("kit-half"), "ERR_INSTANCE_NOT_FOUND");
            await fixture.assertNothingLeft();
            await fixture.create("kit-half");
          } else assert.equal(found.state, "stopped");
          const instance = await find(host, "kit-half");
          await instance.start();
          await instance.delete();
        }
      });
      fixture.it("finds an instance whose start was cut short stopped or running, and can start it", async () => {
        await fixture.deleteAll();
        await fixture.image();
        for (const delay of [0, 20, 80]) {
          await crashHost(fixture, [{ name: "kit-half", state: "starting", delay }]);
          const instance = await find(await fixture.reopen(), "kit-half");
          assert.match(await instance.state(), /^(?:stopped|running)$/);
          await instance.start();
          await instance.ready({ timeout: fixture.deadline });
          await instance.delete();
        }
      });
    }
    fixture.it("leaves nothing of any instance, once all are deleted", async () => {
      await fixture.deleteAll();
      await fixture.reopen();
      await fixture.assertNothingLeft();
    });
  });
}

/** Also waits: the other processes of an instance may take a moment to die with its main process. */
async function killInstance({ pid }: InstanceInfo): Promise<void> {
  assert.ok(pid !== undefined, "say in the subject how to lose an instance that has no pid");
  const identity = await identifyProcess(pid);
  assert.ok(identity !== undefined, `process ${pid} does not run`);
  await signalProcess(identity, "SIGKILL");
  await waitForEnd(identity);
}
