import assert from "node:assert/strict";
import { isInstanceError } from "../../errors/all.ts";
import { collect, rejectsWith, within } from "../kit/expect.ts";
import type { AnyInstance, Fixture } from "../kit/fixture.ts";
import { type OtherHost, openOtherHost } from "../kit/other-host.ts";

/** Chapter: another process has the folder open and acts on instances that this one watches and waits for. */
export function describeOtherHost(fixture: Fixture): void {
  const { how } = fixture.subject.crash;
  const settles = <T>(what: string, promise: Promise<T>) => within(fixture.deadline * 2, what, promise);
  const withOther = (test: (instance: AnyInstance, other: OtherHost) => Promise<void>) => async () => {
    await fixture.using(async (instance) => {
      await using other = await openOtherHost(fixture);
      await test(instance, other);
    });
  };

  fixture.describe(`beside another host ${how === "kill" ? "in another process" : "in this process"}`, () => {
    fixture.it(
      "learns that it deleted an instance: watchers and waiters of the instance end",
      withOther(async (instance, other) => {
        const { name } = instance;
        const host = await fixture.host();
        await instance.start();
        const ofInstance = collect(instance.watch());
        const ofHost = collect(host.watch(), (event) => event.type === "deleted");
        const waiting = instance.wait().then(
          ({ reason }) => reason,
          (error: unknown) => (isInstanceError(error, "ERR_INSTANCE_STATE") ? error.state : error),
        );
        await other.tell("delete", name);
        assert.equal((await settles("the watch of the instance", ofInstance)).at(-1)?.type, "deleted");
        assert.equal((await settles("the watch of the host", ofHost)).at(-1)?.instance, name);
        assert.match(String(await settles("wait()", waiting)), /^(?:requested|deleted)$/);
        for (const call of [() => instance.state(), () => instance.start(), () => instance.stop()])
          await rejectsWith(settles<unknown>("a call on what is gone", call()), "ERR_INSTANCE_STATE");
        await rejectsWith(host.get(name), "ERR_INSTANCE_NOT_FOUND");
        await instance.delete();
        const next = await fixture.create(name);
        assert.deepEqual(await collect(instance.watch()), []);
        assert.equal(await next.state(), "stopped");
        await next.delete();
      }),
    );
    fixture.it(
      "learns of a stop that it requested, and both report the same end",
      withOther(async (instance, other) => {
        const { name } = instance;
        await instance.start();
        const seen = collect(instance.watch(), (event) => event.type === "exit");
        const waiting = instance.wait();
        await other.tell("stop", name);
        const told = (await other.tell("inspect", name)).exit;
        const exit = await settles("wait()", waiting);
        assert.equal(exit.reason, "requested");
        const event = (await settles("the watch of the instance", seen)).at(-1);
        assert.deepEqual(event?.type === "exit" ? event.exit : event, exit);
        assert.equal(await instance.state(), "stopped");
        assert.deepEqual([told, (await instance.inspect()).exit, await instance.wait()], [exit, exit, exit]);
      }),
    );
    fixture.it(
      "learns of the end of a run that it replaced by the next, and ends that one itself",
      withOther(async (instance, other) => {
        const { name } = instance;
        await instance.start();
        const waiting = instance.wait();
        await other.tell("restart", name);
        assert.equal((await settles("wait()", waiting)).reason, "requested");
        assert.equal(await instance.state(), "running");
        const { startedAt } = await instance.inspect();
        assert.equal((await other.tell("inspect", name)).startedAt, startedAt);
        const next = instance.wait();
        await instance.stop({ mode: "kill" });
        const exit = await settles("wait()", next);
        assert.deepEqual((await other.tell("inspect", name)).exit, exit);
      }),
    );
    fixture.it(
      "starts and stops one instance together with it: one run, one report of its end",
      withOther(async (instance, other) => {
        const { name } = instance;
        await Promise.all([instance.start(), other.tell("start", name)]);
        const [mine, theirs] = [await instance.inspect(), await other.tell("inspect", name)];
        assert.deepEqual([mine.state, theirs.state], ["running", "running"]);
        assert.equal(mine.startedAt, theirs.startedAt, "it was started twice");
        const waiting = instance.wait();
        await Promise.all([instance.stop({ mode: "kill" }), other.tell("stop", name)]);
        const exit = await settles("wait()", waiting);
        assert.equal(exit.reason, "requested");
        assert.deepEqual([(await instance.inspect()).exit, (await other.tell("inspect", name)).exit], [exit, exit]);
      }),
    );
  });
}
