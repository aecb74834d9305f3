import assert from "node:assert/strict";
import type { InstanceEvent } from "../../contract/events.ts";
import { collect, rejectsWith, within, word } from "../kit/expect.ts";
import type { AnyInstance, Fixture } from "../kit/fixture.ts";
import { type OtherHost, openOtherHost } from "../kit/other-host.ts";

const A_RUN = ["stopped→starting", "starting→running", "running→stopping", "stopping→stopped", "exit requested"];

/** Chapter: the events of one process reach those who watch in another, in order, and also those who come late. */
export function describeJournal(fixture: Fixture): void {
  const { how } = fixture.subject.crash;
  const settles = <T>(what: string, promise: Promise<T>) => within(fixture.deadline * 2, what, promise);
  const withOther = (test: (instance: AnyInstance, other: OtherHost) => Promise<void>) => async () => {
    await fixture.using(async (instance) => {
      await using other = await openOtherHost(fixture);
      await test(instance, other);
    });
  };

  fixture.describe(
    `the journal, beside another host ${how === "kill" ? "in another process" : "in this process"}`,
    () => {
      fixture.it(
        "tells every step that it makes, without a call of ours, in one order for host, instance and a late watcher",
        withOther(async (instance, other) => {
          const { name } = instance;
          const host = await fixture.host();
          const ofHost = collect(host.watch(), (event) => event.type === "deleted");
          const ofInstance = collect(instance.watch());
          await other.tell("start", name);
          await other.tell("stop", name);
          await other.tell("delete", name);
          const seen = await settles("the watch of the instance", ofInstance);
          assert.deepEqual(seen.map(word), [...A_RUN, "deleted"]);
          assert.deepEqual((await settles("the watch of the host", ofHost)).filter(isOf(seen)), seen);
          assert.ok(seen.every(({ uuid, missed }) => uuid === seen[0]?.uuid && missed === undefined));
          const cursors = seen.map(({ cursor }) => cursor);
          assert.equal(new Set(cursors).size, seen.length, "two events have the same cursor");
          const since = cursors[1];
          assert.ok(since !== undefined, "an event has no cursor");
          const late = collect(host.watch({ since }), (event) => event.type === "deleted" && event.instance === name);
          assert.deepEqual((await settles("the late watch", late)).filter(isOf(seen)), seen.slice(2));
        }),
      );
      fixture.it(
        "tells it what we do, and replays it from a cursor of ours, in one order for both",
        withOther(async (instance, other) => {
          const { name } = instance;
          const seen = collect(instance.watch(), (event) => event.type === "exit");
          await instance.start();
          await instance.stop({ mode: "kill" });
          const mine = await settles("the watch of the instance", seen);
          const since = mine[0]?.cursor;
          assert.ok(since !== undefined, "an event has no cursor");
          const theirs = (await other.tell("history", name, since, mine.length - 1)) as InstanceEvent[];
          assert.deepEqual(theirs, JSON.parse(JSON.stringify(mine.slice(1))));
        }),
      );
      fixture.it(
        "tells a handle of the instance that it has, never of a later one of the same name",
        withOther(async (instance, other) => {
          const { name } = instance;
          const heard: string[] = [];
          instance.events.on("state", (event) => void heard.push(word(event)));
          const old = collect(instance.watch());
          await other.tell("delete", name);
          assert.deepEqual((await settles("the watch of the deleted instance", old)).map(word), ["deleted"]);
          const next = await fixture.create(name);
          const seen = collect(next.watch(), (event) => event.type === "exit");
          await other.tell("start", name);
          await other.tell("stop", name);
          assert.deepEqual((await settles("the watch of the next instance", seen)).map(word), A_RUN);
          assert.deepEqual(heard, []);
          assert.deepEqual(await collect(instance.watch()), []);
          const refused = await rejectsWith(instance.start(), "ERR_INSTANCE_STATE");
          assert.equal(refused.state, "deleted");
          assert.equal(await next.state(), "stopped");
          await next.delete();
        }),
      );
      fixture.it(
        "refuses a cursor of events that it does not have, and one that is none",
        withOther(async (instance) => {
          const refused = await rejectsWith(
            settles("the watch", collect(instance.watch({ since: "1.0" }))),
            "ERR_WATCH_CURSOR",
          );
          assert.equal(refused.reason, "too old");
          assert.throws(() => instance.watch({ since: "yesterday" }), { code: "ERR_CONFIG" });
          const all = collect(instance.watch({ since: "oldest" }), (event) => event.type === "created");
          assert.deepEqual((await settles("the watch of all that is kept", all)).map(word), ["created"]);
        }),
      );
    },
  );
}

function isOf(seen: readonly InstanceEvent[]): (event: InstanceEvent) => boolean {
  return ({ uuid }) => uuid === seen[0]?.uuid;
}
