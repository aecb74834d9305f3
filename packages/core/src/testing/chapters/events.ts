import assert from "node:assert/strict";
import type { InstanceEvent } from "../../contract/events.ts";
import { TRANSITIONS } from "../../terms/state.ts";
import { collect, rejectsExactly, within, word } from "../kit/expect.ts";
import type { Fixture } from "../kit/fixture.ts";

/** Chapter: the events of an instance, their order and their receivers. */
export function describeEvents(fixture: Fixture): void {
  const end = <T>(promise: Promise<T>) => within(fixture.deadline * 2, "the end of the events", promise);

  fixture.describe("events", () => {
    fixture.it("report a whole life in order to every watcher of the host and the instance", async () => {
      const host = await fixture.host();
      const name = fixture.name();
      const abort = new AbortController();
      const ofHost = collect(host.watch({ signal: abort.signal }), (event) => event.type === "deleted");
      const instance = await fixture.create(name);
      const ofInstance = collect(instance.watch());
      const ofOther = collect((await host.get(name)).watch());
      await instance.start();
      await instance.ready({ timeout: fixture.deadline });
      if (fixture.has("freeze")) {
        await instance.freeze();
        await instance.unfreeze();
      }
      await instance.stop({ mode: "kill" });
      await instance.delete();
      const frozen = fixture.has("freeze") ? ["running→freezing", "freezing→frozen", "frozen→running"] : [];
      const life = [
        "stopped→starting",
        "starting→running",
        ...frozen,
        "running→stopping",
        "stopping→stopped",
        "exit requested",
        "deleted",
      ];
      assert.deepEqual((await end(ofInstance)).map(word), life);
      assert.deepEqual((await end(ofOther)).map(word), life);
      const all = await end(ofHost);
      assert.deepEqual(all.map(word), ["created", ...life]);
      assert.ok(all.every((event) => event.instance === name));
      const times = all.map(({ at }) => at);
      assert.deepEqual(
        times,
        [...times].sort((a, b) => a - b),
      );
      assert.ok(times.every((at) => Math.abs(at - Date.now()) < 3600_000));
    });
    fixture.it("report only legal transitions, and every one of them", async () => {
      await fixture.using(async (instance) => {
        const seen = collect(instance.watch());
        await instance.start();
        await instance.restart({ mode: "kill" });
        if (fixture.has("freeze")) await instance.freeze();
        await instance.stop({ mode: "kill" });
        await instance.start();
        await instance.delete();
        const steps = (await end(seen)).filter((event) => event.type === "state");
        const wrong = steps.filter(({ previous, state }, at) => {
          const before = at === 0 ? "stopped" : steps[at - 1]?.state;
          return previous !== before || !TRANSITIONS[previous].includes(state);
        });
        assert.deepEqual(wrong.map(word), []);
        assert.equal(steps.at(-1)?.state, "stopped");
      });
    });
    fixture.it("reach listeners by type until they are removed or the handle is disposed", async () => {
      await fixture.using(async (instance) => {
        const other = (await (await fixture.host()).get(instance.name)) as typeof instance;
        const [mine, others]: [string[], string[]] = [[], []];
        instance.events.on("state", (event) => void mine.push(event.state));
        other.events.on("state", (event) => void others.push(event.state));
        const deleted = new Promise<InstanceEvent>((resolve) => instance.events.once("deleted", resolve));
        await instance.start();
        await other[Symbol.asyncDispose]();
        await instance.stop({ mode: "kill" });
        await instance.delete();
        assert.equal((await end(deleted)).instance, instance.name);
        assert.deepEqual(mine, ["starting", "running", "stopping", "stopped"]);
        assert.deepEqual(others, ["starting", "running"]);
      });
    });
    fixture.it("of one instance do not reach the watchers of another", async () => {
      await fixture.using(async (one) => {
        await fixture.using(async (other) => {
          const seen = collect(one.watch());
          await other.delete();
          await one.delete();
          assert.deepEqual((await end(seen)).map(word), ["deleted"]);
        });
      });
    });
    fixture.it("begin with the call of watch, not with the first read", async () => {
      await fixture.using(async (instance) => {
        const events = instance.watch();
        await instance.delete();
        assert.deepEqual((await end(collect(events))).map(word), ["deleted"]);
      });
    });
    fixture.it("throw the signal's reason into the loop when aborted", async () => {
      await fixture.using(async (instance) => {
        const abort = new AbortController();
        const reason = new Error("seen enough");
        const seen = collect(instance.watch({ signal: abort.signal }));
        abort.abort(reason);
        await end(rejectsExactly(seen, reason));
        await end(rejectsExactly(collect(instance.watch({ signal: abort.signal })), reason));
      });
    });
    fixture.it("end when the handle is disposed or the loop is left", async () => {
      await fixture.using(async (instance) => {
        const handle = await (await fixture.host()).get(instance.name);
        const seen = collect(handle.watch());
        const left = collect(instance.watch(), () => true);
        await handle[Symbol.asyncDispose]();
        assert.deepEqual(await end(seen), []);
        await instance.delete();
        assert.deepEqual((await end(left)).map(word), ["deleted"]);
      });
    });
  });
}
