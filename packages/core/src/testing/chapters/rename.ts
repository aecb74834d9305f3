import assert from "node:assert/strict";
import { collect, rejectsWith, within, word } from "../kit/expect.ts";
import type { AnyInstance, Fixture } from "../kit/fixture.ts";
import { type OtherHost, openOtherHost } from "../kit/other-host.ts";

/** Chapter: an instance gets another name, and stays the same for everybody who holds it. */
export function describeRename(fixture: Fixture): void {
  const { how } = fixture.subject.crash;
  const settles = <T>(what: string, promise: Promise<T>) => within(fixture.deadline * 2, what, promise);
  const withOther = (test: (instance: AnyInstance, other: OtherHost) => Promise<void>) => async () => {
    await fixture.using(async (instance) => {
      await using other = await openOtherHost(fixture);
      await test(instance, other);
    });
  };

  fixture.describe("rename", () => {
    fixture.it("gives a stopped instance another name and frees the old one; nothing else changes", async () => {
      await fixture.using(async (instance) => {
        const host = await fixture.host();
        const [from, to] = [instance.name, fixture.name()];
        const before = await instance.inspect();
        await instance.rename(to);
        const renamed = { ...before, name: to, config: { ...before.config, name: to } };
        assert.deepEqual(await instance.inspect(), renamed);
        assert.equal(instance.name, to);
        assert.deepEqual(await (await host.get(to)).inspect(), renamed);
        await rejectsWith(host.get(from), "ERR_INSTANCE_NOT_FOUND");
        const next = await fixture.create(from);
        assert.notEqual((await next.inspect()).uuid, before.uuid);
        await next.delete();
      });
    });
    fixture.it("gives a running instance another name: the run goes on, and can be stopped and started", async () => {
      const instance = await fixture.create();
      await instance.start();
      const { name: from, startedAt, pid } = await instance.inspect();
      const to = fixture.name();
      await instance.rename(to);
      const info = await instance.inspect();
      assert.deepEqual([info.name, info.state, info.startedAt, info.pid], [to, "running", startedAt, pid]);
      assert.equal(info.applied?.name, from, "what runs has its name from its launch");
      const host = await fixture.reopen();
      const adopted = (await host.get(to)) as AnyInstance;
      assert.deepEqual(await adopted.inspect(), info);
      await adopted.restart({ mode: "kill" });
      assert.equal(await adopted.state(), "running");
      await adopted.delete();
      await rejectsWith(host.get(to), "ERR_INSTANCE_NOT_FOUND");
    });
    fixture.it(
      "is possible while a program runs inside, whose streams go on",
      () =>
        fixture.using(async (instance) => {
          await instance.start();
          await instance.ready({ timeout: fixture.deadline });
          await using cat = await instance.exec(["cat"]);
          await instance.rename(fixture.name());
          cat.stdin.end("through\n");
          let output = "";
          for await (const chunk of cat.stdout) output += chunk;
          assert.equal(output, "through\n");
          assert.deepEqual(await cat.exit, { kind: "exited", code: 0 });
        }),
      "exec",
    );
    fixture.it("is refused before anything is touched: for a bad name, and for one that is taken", async () => {
      await fixture.using(async (instance) => {
        const { name } = instance;
        const before = await instance.inspect();
        for (const bad of ["Upper", "-a", "a/b", "a\nb", "..", ""])
          await rejectsWith(instance.rename(bad), "ERR_CONFIG");
        await fixture.using(async (other) => {
          const error = await rejectsWith(instance.rename(other.name), "ERR_INSTANCE_EXISTS");
          assert.equal(error.subject, other.name);
        });
        await instance.rename(name);
        assert.deepEqual(await instance.inspect(), before);
      });
    });
    fixture.it("leaves a handle with its instance, though others get its names", async () => {
      const [first, second] = [fixture.name(), fixture.name()];
      const instance = await fixture.create(first);
      const seen = collect(instance.watch());
      await instance.rename(second);
      const heir = await fixture.create(first);
      await instance.delete();
      await heir.rename(second);
      await heir.start();
      assert.deepEqual((await settles("the watch", seen)).map(word), [`renamed ${first}→${second}`, "deleted"]);
      for (const call of [() => instance.rename(first), () => instance.state(), () => instance.start()])
        await rejectsWith<"ERR_INSTANCE_STATE">(call(), "ERR_INSTANCE_STATE");
      assert.deepEqual(await collect(instance.watch()), []);
      assert.equal(await heir.state(), "running");
      await heir.delete();
    });
  });

  fixture.describe(`rename, beside another host ${how === "kill" ? "in another process" : "in this process"}`, () => {
    fixture.it(
      "is told to the handles and the watchers of the other, which go on",
      withOther(async (instance, other) => {
        const [from, to] = [instance.name, fixture.name()];
        const host = await fixture.host();
        const isRenamed = ({ type }: { readonly type: string }) => type === "renamed";
        const ofHost = collect(host.watch(), isRenamed);
        const ofInstance = collect(instance.watch(), isRenamed);
        await instance.start();
        await other.tell("rename", from, to);
        const event = (await settles("the watch of the instance", ofInstance)).at(-1);
        assert.deepEqual((await settles("the watch of the host", ofHost)).at(-1), event);
        assert.equal(event && word(event), `renamed ${from}→${to}`);
        assert.deepEqual([event?.instance, instance.name], [to, to]);
        assert.equal(await instance.state(), "running");
        await instance.stop({ mode: "kill" });
        assert.equal((await other.tell("inspect", to)).state, "stopped");
        assert.match(await other.refusal("inspect", from), /no instance/);
      }),
    );
    fixture.it(
      "lets one of two have a name that both want, whoever comes first",
      withOther(async (instance, other) => {
        await fixture.using(async (rival) => {
          const to = fixture.name();
          const results = await Promise.allSettled([instance.rename(to), other.tell("rename", rival.name, to)]);
          assert.deepEqual(results.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
          const refused = results.find((result) => result.status === "rejected");
          assert.match(String(refused?.reason), /already exists/);
          const [mine, theirs] = [(await instance.inspect()).name, (await rival.inspect()).name];
          assert.deepEqual(
            [mine === to, theirs === to],
            results.map(({ status }) => status === "fulfilled"),
          );
        });
      }),
    );
  });
}
