import { mkdirSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { followKeeper, identifyHolder } from "../../src/keeper/follow.ts";
import { findKeeper, type Keeper } from "../../src/keeper/keeper.ts";
import type { KeeperFolders } from "../../src/keeper/launch.ts";
import type { KeeperOrder } from "../../src/keeper/order.ts";
import { succeedKeeper } from "../../src/keeper/succeed.ts";
import { identifyChild, signalProcess, waitForEnd } from "../../src/system/process-identity.ts";
import { entries, keep, places, shell } from "./support.ts";

const place = places();

/** A run that is followed from `first` on, and the keepers that it has had. */
async function follow(folders: KeeperFolders, order: KeeperOrder, keeper: Keeper, first: Keeper | undefined) {
  const left = new AbortController();
  const holder = await identifyHolder(keeper);
  const held: Keeper[] = [];
  const next = vi.fn((signal: AbortSignal) => succeedKeeper(folders, () => order, { holder, signal }));
  const ended = followKeeper(first, { holder, next, held: (now) => held.push(now), signal: left.signal });
  return { ended, held, next, holder, leave: () => left.abort() };
}

async function kill(pid: number): Promise<void> {
  const identity = identifyChild(pid);
  await signalProcess(identity, "SIGKILL");
  await waitForEnd(identity);
}

const SIGKILLED = { status: { kind: "signaled", signal: "SIGKILL" } };

it("has the successor of a keeper that was killed, also when the first attempts to start one fail", async () => {
  const folders = place();
  const order = shell("exec sleep 1000");
  const first = await keep(folders, order);
  const { ended, held, next } = await follow(folders, order, first, first);
  // The next cannot reserve the room for its record.
  const record = join(folders.run, "exit.new");
  rmSync(record);
  mkdirSync(record);
  await kill(first.state.keeper);
  await vi.waitFor(() => expect(next.mock.calls.length).toBeGreaterThan(1), 10_000);
  expect(held).toEqual([first]);
  rmdirSync(record);
  await vi.waitFor(() => expect(held).toHaveLength(2), 10_000);
  held[1]?.kill();
  expect(await ended).toMatchObject({ ...SIGKILLED, program: first.state.program });
  expect(entries(folders.log).map(({ content }) => content)).toEqual(["start", "resume", "end"]);
});

it("waits for a keeper that does not answer, and goes on with it", async () => {
  const folders = place();
  const order = shell("exec sleep 1000");
  const first = await keep(folders, order);
  const identity = identifyChild(first.state.keeper);
  await signalProcess(identity, "SIGSTOP");
  const { ended, held, next } = await follow(folders, order, first, undefined);
  await vi.waitFor(() => expect(next.mock.calls.length).toBeGreaterThan(1), 20_000);
  expect(held).toEqual([]);
  await signalProcess(identity, "SIGCONT");
  await vi.waitFor(() => expect(held).toHaveLength(1), 10_000);
  expect(held[0]?.state.keeper).toBe(identity.pid);
  first.kill();
  expect(await ended).toMatchObject(SIGKILLED);
});

it("ends when nobody holds the streams any more", async () => {
  const folders = place();
  const order = shell("exec sleep 1000");
  const first = await keep(folders, order);
  const { ended, holder } = await follow(folders, order, first, first);
  const { program } = first.state;
  await kill(first.state.keeper);
  await kill(holder.pid);
  expect(await ended).toBeUndefined();
  await kill(program);
});

it("leaves a run when it is told to, whether its keeper answers or not", async () => {
  const folders = place();
  const order = shell("exec sleep 1000");
  const first = await keep(folders, order);
  const identity = identifyChild(first.state.keeper);
  const held = await follow(folders, order, first, await findKeeper(folders.run));
  await signalProcess(identity, "SIGSTOP");
  const hanging = await follow(folders, order, first, undefined);
  await vi.waitFor(() => expect(hanging.next).toHaveBeenCalled());
  for (const { leave, ended } of [held, hanging]) {
    leave();
    expect(await ended).toBeUndefined();
  }
  await signalProcess(identity, "SIGCONT");
  first.kill();
  expect(await first.exit).toMatchObject(SIGKILLED);
});

it("takes the keeper of the next run in the same folder for none of its own", async () => {
  const folders = place();
  const order = shell("exec sleep 1000");
  const former = await keep(folders, order);
  const holder = await identifyHolder(former);
  former.kill();
  await former.exit;
  const next = await keep(folders, order);
  expect(await succeedKeeper(folders, () => order, { holder })).toBeUndefined();
  next.kill();
  await next.exit;
});
