import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { livingKeeper, readHeldRun } from "../../src/keeper/held-run.ts";
import { findKeeper } from "../../src/keeper/keeper.ts";
import { findKeptRun, type KeptRun, startKeptRun } from "../../src/keeper/kept-run.ts";
import { type KeeperFolders, launchKeeper } from "../../src/keeper/launch.ts";
import {
  identifyChild,
  isAlive,
  type ProcessIdentity,
  signalProcess,
  waitForEnd,
} from "../../src/system/process-identity.ts";
import { entries, places, shell } from "./support.ts";

const place = places();
const order = shell("exec sleep 1000");
const KILLED = { status: { kind: "signaled", signal: "SIGKILL" } };

async function kill(identity: ProcessIdentity | undefined): Promise<void> {
  if (identity === undefined) throw new Error("no such process");
  await signalProcess(identity, "SIGKILL");
  await waitForEnd(identity, { timeout: 20_000 });
}

/** Kills the keeper and the holder of a run. A keeper that is stopped has no successor until both have ended. */
async function killBoth({ run }: KeeperFolders): Promise<void> {
  const [keeper, holder] = [await livingKeeper(run), identifyChild((await readHeldRun(run))?.holder ?? 0)];
  if (keeper !== undefined) await signalProcess(keeper, "SIGSTOP");
  await kill(holder);
  await kill(keeper);
}

async function found(folders: KeeperFolders): Promise<KeptRun> {
  return (await findKeptRun(folders, order)) ?? expect.fail("no run");
}

it("a run is held by each process that finds it, and all see its end", async () => {
  const folders = place();
  const run = await startKeptRun(folders, order);
  const others = [await found(folders), await found(folders)];
  expect(others.map(({ program }) => program)).toEqual([run.program, run.program]);
  await kill(run.program);
  for (const each of [run, ...others]) expect(await each.ended).toMatchObject(KILLED);
  expect(await findKeptRun(folders, order)).toBeUndefined();
});

it("a run whose keeper was killed with the process that held it is found, and has the next keeper", async () => {
  const folders = place();
  const before = await startKeptRun(folders, order);
  before.detach();
  await kill(await livingKeeper(folders.run));
  const run = await found(folders);
  expect(run.program).toEqual(before.program);
  expect(entries(folders.log).map(({ content }) => content)).toEqual(["start", "resume"]);
  await kill(run.program);
  expect(await run.ended).toMatchObject(KILLED);
});

it("a run whose keeper and holder were killed is over, and is not found", async () => {
  const folders = place();
  const run = await startKeptRun(folders, order);
  await killBoth(folders);
  expect(await run.ended).toBeUndefined();
  expect(await findKeptRun(folders, order)).toBeUndefined();
  await kill(run.program);
});

it("a run whose program has ended is over, even before its keeper has heard of it", async () => {
  const folders = place();
  const run = await startKeptRun(folders, order);
  const holder = identifyChild((await readHeldRun(folders.run))?.holder ?? 0);
  await signalProcess(holder, "SIGSTOP");
  await kill(run.program);
  const looked = findKeptRun(folders, order);
  // Another look takes as long as the first.
  (await findKeeper(folders.run)).detach();
  await signalProcess(holder, "SIGCONT");
  expect(await looked).toBeUndefined();
  expect(await run.ended).toMatchObject(KILLED);
});

it("nothing is found of a run that has not begun, when its process has given it up", async () => {
  const folders = place();
  const launched = await launchKeeper(folders, order);
  launched[Symbol.dispose]();
  expect(await findKeptRun(folders, order)).toBeUndefined();
  await expect(findKeeper(folders.run)).rejects.toMatchObject({ code: "ERR_CONNECTION" });
});

it("the end of a run is not taken for that of the next one in its folders", async () => {
  const folders = place();
  const run = await startKeptRun(folders, order);
  await killBoth(folders);
  const next = await startKeptRun(folders, order);
  expect([await run.isLatest(), await next.isLatest()]).toEqual([false, true]);
  await kill(next.program);
  expect(await next.ended).toMatchObject({ ...KILLED, program: next.program.pid });
  expect(await run.ended).toBeUndefined();
  await kill(run.program);
});

it("a program that cannot be started is an error, and leaves no run", async () => {
  const folders = place();
  const wrong = { argv: ["/no/such/program"], env: {} };
  await expect(startKeptRun(folders, wrong)).rejects.toMatchObject({ code: "ERR_PROGRAM_NOT_FOUND" });
  expect(await findKeptRun(folders, wrong)).toBeUndefined();
});

it("the program gets what is handed over, and nobody else keeps it", async () => {
  const folders = place();
  const file = join(folders.run, "file");
  const descriptor = openSync(file, "w");
  const run = await startKeptRun(folders, shell("echo here >&3; exec 3>&-; exec sleep 1000"), {
    descriptors: [descriptor],
  });
  closeSync(descriptor);
  expect(await isAlive(run.program)).toBe(true);
  await kill(run.program);
  expect(await run.ended).toMatchObject(KILLED);
});
