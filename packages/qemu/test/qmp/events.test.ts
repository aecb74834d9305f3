import { OverrunError, type ProtocolError } from "@pileus/core";
import { expect, it } from "vitest";
import { QmpClient, type QmpEvent } from "../../src/qmp/index.ts";
import { FakeMonitor } from "../support/fake-monitor.ts";

it("gives listeners the events of their name with checked data, until they unsubscribe", async () => {
  await using monitor = await FakeMonitor.start((_, m) =>
    m.event("SHUTDOWN", { guest: true, reason: "guest-shutdown" }),
  );
  await using client = await QmpClient.connect(monitor.path);
  const heard: unknown[] = [];
  const off = client.events.on("SHUTDOWN", (event) => heard.push(event));
  await client.execute("stop");
  off();
  await client.execute("stop");
  expect(heard).toEqual([{ name: "SHUTDOWN", data: { guest: true, reason: "guest-shutdown" }, at: 1_700_000_000_250 }]);
});

it("yields known and other events in order, and ends with the session", async () => {
  await using monitor = await FakeMonitor.start(() => ({}));
  await using client = await QmpClient.connect(monitor.path);
  const events = client.events.watch();
  monitor.event("STOP");
  monitor.event("RTC_CHANGE", { offset: 1 });
  await client.execute("stop");
  monitor.hangUp();
  const seen: QmpEvent[] = [];
  for await (const event of events) seen.push(event);
  expect(seen.map((e) => (e.name === "other" ? e.event : e.name))).toEqual(["STOP", "RTC_CHANGE"]);
});

it("ends a loop by throwing the reason of its abort", async () => {
  await using monitor = await FakeMonitor.start(() => ({}));
  await using client = await QmpClient.connect(monitor.path);
  const controller = new AbortController();
  const reason = new Error("enough");
  const loop = (async () => {
    for await (const _ of client.events.watch({ signal: controller.signal })) controller.abort(reason);
  })();
  monitor.event("STOP");
  await expect(loop).rejects.toBe(reason);
});

it("throws OverrunError to a reader that falls more than 4096 events behind", async () => {
  await using monitor = await FakeMonitor.start(() => ({}));
  await using client = await QmpClient.connect(monitor.path);
  const events = client.events.watch();
  for (let i = 0; i <= 4096; i++) monitor.event("STOP");
  await client.execute("stop");
  await expect(events[Symbol.asyncIterator]().next()).rejects.toThrow(OverrunError);
});

it("reports a known event with wrong data and leaves pending commands alone", async () => {
  await using monitor = await FakeMonitor.start((_, m) => m.event("SHUTDOWN", { guest: "yes" }));
  const heard: ProtocolError[] = [];
  await using client = await QmpClient.connect(monitor.path, { onProtocolError: (error) => heard.push(error) });
  await client.execute("stop");
  expect(heard).toHaveLength(1);
});
