import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { dirname, join } from "node:path";
import { expect, it, vi } from "vitest";
import { keeperSocket } from "../../src/keeper/connection.ts";
import { makeProgramFolder } from "../../src/keeper/detached/facts.ts";
import { KeptPrograms } from "../../src/keeper/detached/kept-programs.ts";
import { readHeldRun } from "../../src/keeper/held-run.ts";
import type { Keeper } from "../../src/keeper/keeper.ts";
import { launchKeeper } from "../../src/keeper/launch.ts";
import { acquireLock } from "../../src/system/lock.ts";
import {
  identifyChild,
  isAlive,
  type ProcessIdentity,
  signalProcess,
  waitForEnd,
} from "../../src/system/process-identity.ts";
import { listenUnix } from "../../src/system/unix-socket.ts";
import { places, shell } from "./support.ts";

const place = places();
const id = "0123456789abcdef";

/** The programs of a run, of which one is about to be started. */
function oneProgram() {
  const { run } = place();
  const folder = join(run, "exec", id);
  mkdirSync(join(run, "exec"));
  makeProgramFolder(folder, { argv: ["true"], startedAt: 1 });
  const start = () => Promise.reject(new Error("is started otherwise"));
  return { folder, programs: new KeptPrograms({ name: "web", run, cgroups: () => [], start }) };
}

it("a detached program that starts during a look runs, and the look does not wait for its end", async () => {
  const { folder, programs } = oneProgram();
  const launched = await launchKeeper({ run: folder, log: folder }, shell("exec sleep 1000"));
  // A look that has read the record is held up here until the program runs.
  let started: Promise<Keeper> | undefined;
  const socket = keeperSocket(folder);
  renameSync(socket, `${socket}.real`);
  await using door = createServer(async (client) => {
    started ??= launched.begin();
    await started;
    const keeper = connect(`${socket}.real`);
    client.on("error", () => keeper.destroy()).pipe(keeper);
    keeper.on("error", () => client.destroy()).pipe(client);
  });
  door.listen(socket);
  expect(await programs.list({})).toEqual([{ id, argv: ["true"], startedAt: 1, state: "running" }]);
  const keeper = await started;
  keeper?.kill();
  expect((await keeper?.exit)?.status).toEqual({ kind: "signaled", signal: "SIGKILL" });
});

it("a detached program is ended by a look when its keeper and its starter were killed during the start", async () => {
  const { folder, programs } = oneProgram();
  // A holder that does not tell that the program runs.
  const [program, announce] = [openSync("/bin/sh", "r"), listenUnix(join(folder, "nobody.sock"))];
  const folders = { run: folder, log: folder };
  const lock = await acquireLock(`${folder}.lock`);
  const launched = await launchKeeper(folders, shell("exec sleep 1000"), { starter: { program, announce } });
  const begun = expect(launched.begin()).rejects.toMatchObject({ code: "ERR_CONNECTION" });
  const record = await vi.waitFor(async () => (await readHeldRun(folder)) ?? expect.fail("no record"), 20_000);
  const holder = identifyChild(record.holder);
  const keeper = identifyChild(launched.pid);
  try {
    // Until its program runs, a starter ends with its keeper.
    const program = `/proc/${record.holder}/comm`;
    await vi.waitFor(() => expect(readFileSync(program, "utf8")).toBe("sleep\n"), 20_000);
    await signalProcess(keeper, "SIGKILL");
    await begun;
    await waitForEnd(keeper, { timeout: 20_000 });
    // Its starter may still live: it ends what it has started.
    expect(await programs.list({})).toEqual([]);
    expect([await isAlive(holder), existsSync(folder)]).toEqual([true, true]);
    await lock.release();
    expect(await programs.list({})).toEqual([]);
    expect([await isAlive(holder), existsSync(folder)]).toEqual([false, false]);
  } finally {
    await signalProcess(holder, "SIGKILL");
    for (const descriptor of [program, announce]) closeSync(descriptor);
  }
});

it("the output of a detached program fails when nobody can see whether the program still prints", async () => {
  const { folder, programs } = oneProgram();
  const launched = await launchKeeper({ run: folder, log: folder }, shell("echo first; exec sleep 1000"));
  const { state } = await launched.begin();
  const [program, holder, keeper] = [state.program, state.holder, state.keeper].map(identifyChild);
  try {
    const opened = await programs.open(id, {});
    const read = (await opened?.output({ offset: 0, follow: true }))?.[Symbol.asyncIterator]();
    expect(String((await read?.next())?.value.data)).toBe("first\n");
    // No other keeper can record its end, so none takes over.
    rmSync(join(folder, "exit.new"));
    mkdirSync(join(folder, "exit.new"));
    await signalProcess(keeper as ProcessIdentity, "SIGKILL");
    await expect(read?.next()).rejects.toMatchObject({ code: "EISDIR" });
    await expect(opened?.exit).rejects.toMatchObject({ code: "EISDIR" });
  } finally {
    for (const identity of [holder, program]) await signalProcess(identity as ProcessIdentity, "SIGKILL");
  }
});

it("a detached program that finds no room is told what takes it", async () => {
  const { folder, programs } = oneProgram();
  const others = Array.from({ length: 100 }, (_, index) => `${dirname(folder)}/${String(index).padStart(16, "0")}`);
  const locks = await Promise.all(others.map((other) => acquireLock(`${other}.lock`)));
  for (const other of others) makeProgramFolder(other, { argv: ["true"], startedAt: 1 });
  const request = { id, argv: ["true"], env: {}, cwd: undefined, user: undefined, tty: undefined };
  const reason =
    "0 detached programs run, and 100 are starting or have a damaged record, and no more than 100 are kept";
  await expect(programs.start(request, {})).rejects.toMatchObject({ code: "ERR_HOST", missing: [{ reason }] });
  for (const lock of locks) await lock.release();
});
