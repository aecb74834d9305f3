import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ConnectionError } from "@pileus/core";
import { tryLock } from "@pileus/core/driver";
import { expect, it, onTestFinished } from "vitest";
import { connectMonitor, removeMonitorClaims } from "../src/monitor.ts";
import { QmpClient } from "../src/qmp/index.ts";
import { FakeMonitor } from "./support/fake-monitor.ts";

/** Monitors of one machine, and a folder for the claims on them. */
async function machine(count: number, options: { readonly greeting?: unknown } = {}) {
  const folder = await mkdtemp(join(tmpdir(), "pileus-monitors-"));
  const monitors: FakeMonitor[] = [];
  for (let number = 0; number < count; number++) monitors.push(await FakeMonitor.start(() => ({}), options));
  onTestFinished(async () => {
    for (const monitor of monitors) await monitor[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });
  const claims = join(folder, "claims", "one.lock");
  return { monitors, paths: monitors.map(({ path }) => path), claims, left: () => readdir(join(folder, "claims")) };
}

it("gives each process a monitor of its own, and refuses the next at once, not after a wait for a greeting", async () => {
  const { paths, claims, left } = await machine(3);
  const clients: QmpClient[] = [];
  for (let number = 0; number < 3; number++) clients.push(await connectMonitor(paths, { claims }));
  expect(clients.map(({ peer }) => peer)).toEqual(paths);
  // A wait for a greeting would not end within the test.
  const refused = connectMonitor(paths, { claims, greetingTimeout: 3_600_000 });
  await expect(refused).rejects.toThrow("other processes hold all 3 monitors");
  await clients[1]?.close();
  const next = await connectMonitor(paths, { claims });
  expect(next.peer).toBe(paths[1]);
  for (const client of [...clients, next]) await client.close();
  expect(await left()).toEqual([]);
});

it("takes another monitor where a process of an earlier release holds the first without a claim", async () => {
  const { paths, claims, left } = await machine(2);
  const former = await QmpClient.connect(paths[0] ?? "");
  const client = await connectMonitor(paths, { claims });
  expect(client.peer).toBe(paths[1]);
  await Promise.all([former.close(), client.close()]);
  // The claim of the one that did not answer is given back meanwhile.
  await expect.poll(left).toEqual([]);
});

it("gives back what it has claimed when another claim fails", async () => {
  const { paths, claims, left } = await machine(2, { greeting: null });
  // No lock can be had on a folder.
  await mkdir(`${claims}.monitor1`, { recursive: true });
  await expect(connectMonitor(paths, { claims, greetingTimeout: 50 })).rejects.toThrow("EISDIR");
  expect(await left()).toEqual(["one.lock.monitor1"]);
});

it("leaves monitors to others while it waits for the first few", async () => {
  const { paths, claims, left } = await machine(7, { greeting: null });
  const stop = new AbortController();
  const waiting = connectMonitor(paths, { claims, signal: stop.signal, greetingTimeout: 3_600_000 });
  const given = expect(waiting).rejects.toThrow("enough");
  await expect.poll(left, { timeout: 20_000 }).toContain("one.lock.monitor4");
  const other = await tryLock(`${claims}.monitor5`);
  expect(other).toBeDefined();
  await other?.retire();
  stop.abort(new Error("enough"));
  await given;
  await expect.poll(left).toEqual([]);
});

it("gives up when no monitor greets, as the abort asks, and leaves no claim", async () => {
  const { paths, claims, left } = await machine(2, { greeting: null });
  const silent = connectMonitor(paths, { claims, greetingTimeout: 50 });
  await expect(silent).rejects.toThrow(ConnectionError);
  await expect(silent).rejects.toThrow("no monitor greets: QEMU is stopped or hangs");
  const reason = new Error("enough");
  await expect(connectMonitor(paths, { claims, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  expect(await left()).toEqual([]);
  await removeMonitorClaims(claims, 2);
});
