import { describe, expect, it } from "vitest";
import { OverrunError } from "../../src/contract/errors.ts";
import type { InstanceEvent } from "../../src/contract/events.ts";
import { QUEUE_LIMIT } from "../../src/engine/event-queue.ts";
import { EventBus } from "../../src/engine/events.ts";

const created = (instance: string): InstanceEvent => ({ type: "created", instance, at: 0 });

async function names(events: AsyncIterable<InstanceEvent>) {
  const seen: string[] = [];
  for await (const event of events) seen.push(event.instance);
  return seen;
}

describe("watch", () => {
  it("yields from the moment of the call, even if reading begins later", async () => {
    const bus = new EventBus();
    const tap = bus.tap();
    bus.publish(created("early"));
    const events = tap.watch();
    bus.publish(created("a"));
    bus.publish(created("b"));
    tap.close();
    expect(await names(events)).toEqual(["a", "b"]);
  });

  it("gives each caller a queue of its own", async () => {
    const bus = new EventBus();
    const tap = bus.tap();
    const [one, two] = [names(tap.watch()), names(tap.watch())];
    bus.publish(created("a"));
    bus.close();
    expect(await Promise.all([one, two])).toEqual([["a"], ["a"]]);
  });

  it("of one instance leaves out the others, and ends with it", async () => {
    const bus = new EventBus();
    const seen = names(bus.tap("a").watch());
    bus.publish(created("b"));
    bus.publish({ type: "deleted", instance: "a", at: 0 });
    expect(await seen).toEqual(["a"]);
  });

  it("throws the reason itself on abort, also when the signal is aborted already", async () => {
    const tap = new EventBus().tap();
    const controller = new AbortController();
    const waiting = names(tap.watch({ signal: controller.signal }));
    controller.abort("enough");
    await expect(waiting).rejects.toBe("enough");
    await expect(names(tap.watch({ signal: controller.signal }))).rejects.toBe("enough");
  });

  it("throws to a reader that fell too far behind, instead of leaving events out", async () => {
    const bus = new EventBus();
    const events = bus.tap().watch();
    for (let i = 0; i <= QUEUE_LIMIT; i++) bus.publish(created("a"));
    await expect(names(events)).rejects.toBeInstanceOf(OverrunError);
    expect(await names(events)).toEqual([]);
  });

  it("left by break frees the queue", async () => {
    const bus = new EventBus();
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
    const bus = new EventBus();
    const tap = bus.tap();
    const seen: string[] = [];
    tap.emitter.on("created", (event) => seen.push(event.instance));
    bus.publish(created("a"));
    bus.publish({ type: "deleted", instance: "a", at: 0 });
    tap.close();
    bus.publish(created("b"));
    await new Promise(setImmediate);
    expect(seen).toEqual(["a"]);
    expect(tap.emitter.listenerCount("created")).toBe(0);
  });
});
