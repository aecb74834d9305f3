import { mkdirSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import type { KeeperConnection } from "../../src/keeper/connection.ts";
import { readKeeperExit } from "../../src/keeper/exit-record.ts";
import { followKeeper, identifyHolder } from "../../src/keeper/follow.ts";
import { findKeeper, Keeper } from "../../src/keeper/keeper.ts";
import type { KeeperFolders } from "../../src/keeper/launch.ts";
import type { KeeperMessage } from "../../src/keeper/messages.ts";
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

it("gives a run whose keepers die at once no more than one successor a second, and sees its end meanwhile", async () => {
  const folders = place();
  const order = shell("exec sleep 1000");
  const first = await keep(folders, order);
  const { ended, held, next, holder } = await follow(folders, order, first, first);
  const { program } = first.state;
  await kill(first.state.keeper);
  await vi.waitFor(() => expect(held).toHaveLength(2), 10_000);
  const came = performance.now();
  await kill(held[1]?.state.keeper ?? 0);
  await vi.waitFor(() => expect(held).toHaveLength(3), 10_000);
  // The clock of the test may have begun a little later than the other.
  expect(performance.now() - came).toBeGreaterThan(500);
  await kill(held[2]?.state.keeper ?? 0);
  await kill(holder.pid);
  expect(await ended).toBeUndefined();
  expect(next.mock.calls.length).toBeLessThan(6);
  await kill(program);
});

it("leaves no connection to a keeper whose holder cannot be identified", async () => {
  const detach = vi.fn();
  // A path that cannot be opened, as every path is where no descriptor is free.
  const state = { holder: "\0" } as unknown as Keeper["state"];
  await expect(identifyHolder({ state, detach })).rejects.toMatchObject({ code: "ERR_INVALID_ARG_VALUE" });
  expect(detach).toHaveBeenCalledOnce();
});

it("tells of the end of its own run alone, when the next one has ended in the same folder", async () => {
  const folders = place();
  const first = await keep(folders, shell("exec sleep 1000"));
  const { holder, program } = first.state;
  const { hear, close, connection } = connectionOf();
  const late = new Keeper(folders.run, connection);
  hear({ ...first.state, kind: "hello", version: 2 });
  first.kill();
  expect(await first.exit).toMatchObject({ program });
  expect(await readKeeperExit(folders.run, holder)).toEqual(await first.exit);
  const next = await keep(folders, shell("exit 3"));
  expect(await next.exit).toMatchObject({ status: { kind: "exited", code: 3 } });
  expect(await readKeeperExit(folders.run, next.state.holder)).toEqual(await next.exit);
  expect(await readKeeperExit(folders.run, holder)).toBeUndefined();
  // One that sees the end of its keeper only now.
  close();
  expect(await late.exit).toBeUndefined();
});

/** The connection to a keeper that says and does what the test wants. */
function connectionOf() {
  let [hear, close]: [(message: KeeperMessage) => void, () => void] = [() => undefined, () => undefined];
  const closed = new Promise<void>((resolve) => {
    close = resolve;
  });
  const listen = (listener: typeof hear) => {
    hear = listener;
  };
  const connection = { listen, closed } as unknown as KeeperConnection;
  return { hear: (message: KeeperMessage) => hear(message), close, connection };
}

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
  const { program, keeper } = first.state;
  // One that is stopped has no successor until both have ended.
  await signalProcess(identifyChild(keeper), "SIGSTOP");
  await kill(holder.pid);
  await kill(keeper);
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
