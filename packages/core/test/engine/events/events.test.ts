import { describe, expect, it } from "vitest";
import type { InstanceEvent } from "../../../src/contract/events.ts";
import { QUEUE_LIMIT } from "../../../src/engine/events/event-queue.ts";
import { EventBus } from "../../../src/engine/events/events.ts";
import { OverrunError } from "../../../src/errors/all.ts";

const created = (instance: string): InstanceEvent => ({
  type: "created",
  instance,
  uuid: `uuid of ${instance}`,
  at: 0,
});

/** A bus whose past, if it is asked for, is `past`, part by part. */
function newBus(past: readonly (readonly InstanceEvent[])[] = []) {
  return new EventBus(
    () => () => undefined,
    () => {
      const parts = [...past];
      return { next: () => parts.shift() };
    },
  );
}

async function names(events: AsyncIterable<InstanceEvent>) {
  const seen: string[] = [];
  for await (const event of events) seen.push(event.instance);
  return seen;
}

describe("watch", () => {
  it("yields from the moment of the call, even if reading begins later", async () => {
    const bus = newBus();
    const tap = bus.tap();
    bus.publish(created("early"));
    const events = tap.watch();
    bus.publish(created("a"));
    bus.publish(created("b"));
    tap.close();
    expect(await names(events)).toEqual(["a", "b"]);
  });

  it("gives each caller a queue of its own", async () => {
    const bus = newBus();
    const tap = bus.tap();
    const [one, two] = [names(tap.watch()), names(tap.watch())];
    bus.publish(created("a"));
    bus.close();
    expect(await Promise.all([one, two])).toEqual([["a"], ["a"]]);
  });

  it("of one instance leaves out the others, and ends with it", async () => {
    const bus = newBus();
    const seen = names(bus.tap("uuid of a").watch());
    bus.publish(created("b"));
    bus.publish({ ...created("a"), type: "deleted" });
    expect(await seen).toEqual(["a"]);
  });

  it("throws the reason itself on abort, also when the signal is aborted already", async () => {
    const tap = newBus().tap();
    const controller = new AbortController();
    const waiting = names(tap.watch({ signal: controller.signal }));
    controller.abort("enough");
    await expect(waiting).rejects.toBe("enough");
    await expect(names(tap.watch({ signal: controller.signal }))).rejects.toBe("enough");
  });

  it("throws to a reader that fell too far behind, instead of leaving events out", async () => {
    const bus = newBus();
    const events = bus.tap().watch();
    for (let i = 0; i <= QUEUE_LIMIT; i++) bus.publish(created("a"));
    await expect(names(events)).rejects.toBeInstanceOf(OverrunError);
    expect(await names(events)).toEqual([]);
  });

  it("since a cursor yields what is past, then what comes, and no event twice", async () => {
    const cursor = "1.1";
    const bus = newBus([[created("a")], [], [{ ...created("b"), missed: 2 }, created("a")]]);
    const tap = bus.tap();
    const events = tap.watch({ since: cursor });
    // The past has it too.
    bus.publish({ ...created("b"), cursor });
    const seen = names(events);
    await new Promise(setImmediate);
    bus.publish({ ...created("c"), cursor });
    tap.close();
    expect(await seen).toEqual(["a", "b", "a", "c"]);
  });

  it("of one instance says what is missing of the past before its next event", async () => {
    const bus = newBus([[created("a"), { ...created("b"), missed: 2 }, created("a"), created("a")]]);
    const seen: (number | undefined)[] = [];
    const events = bus.tap("uuid of a").watch({ since: "oldest" });
    bus.close();
    for await (const { missed } of events) seen.push(missed);
    expect(seen).toEqual([undefined, 2, undefined]);
  });

  it("says with the next event how many may be missing", async () => {
    const bus = newBus();
    const events = bus.tap("uuid of a").watch();
    bus.miss(2);
    bus.publish(created("b"));
    bus.miss(1);
    bus.publish(created("a"));
    bus.publish(created("a"));
    bus.close();
    const seen: (number | undefined)[] = [];
    for await (const { missed } of events) seen.push(missed);
    expect(seen).toEqual([3, undefined]);
  });

  it.each(["", "newest", "1", "1.2.3", "-1.2", 7])("refuses %j as a cursor", (since) => {
    expect(() =>
      newBus()
        .tap()
        .watch({ since: since as string }),
    ).toThrow("since");
  });

  it("left by break frees the queue", async () => {
    const bus = newBus();
    const events = bus.tap().watch();
    bus.publish(created("a"));
    bus.publish(created("b"));
    for await (const _ of events) break;
    bus.publish(created("c"));
    expect(await names(events)).toEqual([]);
  });
});

describe("listeners", () => {
  it("get events by type, until the end", async () => {
    const bus = newBus();
    const tap = bus.tap();
    const seen: string[] = [];
    tap.emitter.on("created", (event) => seen.push(event.instance));
    bus.publish(created("a"));
    bus.publish({ ...created("a"), type: "deleted" });
    tap.close();
    bus.publish(created("b"));
    await new Promise(setImmediate);
    expect(seen).toEqual(["a"]);
    expect(tap.emitter.listenerCount("created")).toBe(0);
  });
});
