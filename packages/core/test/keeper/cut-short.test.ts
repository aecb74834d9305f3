import { once } from "node:events";
import { existsSync, readFileSync, watch } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { KeptPrograms } from "../../src/keeper/detached/kept-programs.ts";
import { livingKeeper, readHeldRun } from "../../src/keeper/held-run.ts";
import { findKeptRun, startKeptRun } from "../../src/keeper/kept-run.ts";
import { type KeeperFolders, launchKeeper } from "../../src/keeper/launch.ts";
import { readProcesses } from "../../src/processes/process-ids.ts";
import {
  identifyChild,
  isAlive,
  type ProcessIdentity,
  signalProcess,
  waitForEnd,
} from "../../src/system/process-identity.ts";
import { type SlowProgram, slowProgram } from "./slow-program.ts";
import { places } from "./support.ts";

const place = places();
const env = { PATH: process.env["PATH"] ?? "" };
/** Starts one that leaves its session and its parent, and says which it is. */
const SCRIPT = `(setsid sh -c 'echo $$ >"$0.pid"; mv "$0.pid" "$0.left"; exec sleep 1000' "$0" &); exec sleep 1000`;

/** The processes of a start that is under way. */
interface Started {
  readonly keeper: ProcessIdentity;
  readonly holder: ProcessIdentity;
  /** What becomes the program. */
  readonly child: ProcessIdentity;
}

async function startedIn(run: string): Promise<Started> {
  const keeper = (await livingKeeper(run)) ?? expect.fail("no keeper");
  const holder = identifyChild((await readHeldRun(run))?.holder ?? 0);
  const [child] = readProcesses().filter(({ parent }) => parent === holder.pid);
  return { keeper, holder, child: identifyChild(child?.pid ?? expect.fail("no child")) };
}

/** What the program has started, once it has. */
async function leftBy({ argv: [path = ""] }: SlowProgram, run: string): Promise<ProcessIdentity> {
  const changes = watch(run);
  while (!existsSync(`${path}.left`)) await once(changes, "change");
  changes.close();
  return identifyChild(Number(readFileSync(`${path}.left`, "utf8")));
}

/** Begins a start, and cuts it short while its program is being executed: `cut` gives its processes that must end. */
async function cutShort(
  folders: KeeperFolders,
  cut: (started: Started, program: SlowProgram, abort: () => void) => Promise<readonly ProcessIdentity[]>,
): Promise<unknown> {
  await using program = await slowProgram(folders.run, SCRIPT);
  const { signal, abort } = abortController();
  const start = startKeptRun(folders, { argv: program.argv, env }, { signal }).catch((error: unknown) => error);
  await program.executing;
  const started = await startedIn(folders.run);
  const those = [...(await cut(started, program, abort)), ...Object.values(started)];
  const error = await start;
  for (const each of those) expect(await isAlive(each)).toBe(false);
  expect(await findKeptRun(folders, { argv: program.argv, env })).toBeUndefined();
  return error;
}

function abortController() {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort(new Error("enough")) };
}

describe("a start that is cut short while the program is executed leaves nothing", () => {
  it("when it is aborted", async () => {
    const error = await cutShort(place(), async (_, __, abort) => {
      abort();
      return [];
    });
    expect(error).toMatchObject({ message: "enough" });
  });

  it("when the holder is killed", async () => {
    const error = await cutShort(place(), async ({ holder }) => {
      await signalProcess(holder, "SIGKILL");
      return [];
    });
    expect(error).toMatchObject({ code: "ERR_CONNECTION", message: expect.stringContaining("killed before") });
  });

  it("when the keeper is killed", async () => {
    const error = await cutShort(place(), async ({ keeper }) => {
      await signalProcess(keeper, "SIGKILL");
      return [];
    });
    expect(error).toMatchObject({ code: "ERR_CONNECTION" });
  });

  it("when it is aborted while the keeper is stopped", async () => {
    const error = await cutShort(place(), async ({ keeper }, _, abort) => {
      await signalProcess(keeper, "SIGSTOP");
      abort();
      return [];
    });
    expect(error).toMatchObject({ message: "enough" });
  });
});

describe("a start that is cut short when the program runs, and the holder has not told, leaves nothing", () => {
  const running = (cut: (started: Started, abort: () => void) => Promise<unknown>) => {
    const folders = place();
    return cutShort(folders, async (started, program, abort) => {
      await signalProcess(started.holder, "SIGSTOP");
      await program.letGo();
      const left = await leftBy(program, folders.run);
      await cut(started, abort);
      return [left];
    });
  };

  it("when it is aborted", async () => {
    expect(await running(async (_, abort) => abort())).toMatchObject({ message: "enough" });
  });

  it("when the holder is killed", async () => {
    const error = await running(({ holder }) => signalProcess(holder, "SIGKILL"));
    expect(error).toMatchObject({ code: "ERR_CONNECTION" });
  });

  it("when the keeper is killed", async () => {
    const error = await running(({ keeper }) => signalProcess(keeper, "SIGKILL"));
    expect(error).toMatchObject({ code: "ERR_CONNECTION" });
  });

  it("when the holder tells the keeper, which is stopped, before it is aborted", async () => {
    const error = await running(async ({ keeper, holder }, abort) => {
      await signalProcess(keeper, "SIGSTOP");
      await signalProcess(holder, "SIGCONT");
      abort();
      // So that it has both to read.
      await signalProcess(keeper, "SIGCONT");
    });
    expect(error).toMatchObject({ message: "enough" });
  });
});

it("a start whose process and keeper were killed is ended by whoever looks for it", async () => {
  const folders = place();
  await using program = await slowProgram(folders.run, SCRIPT);
  const order = { argv: program.argv, env };
  const launched = await launchKeeper(folders, order);
  // This process forgets it with its keeper: the result stands for that of a process that was killed.
  const begun = launched.begin().catch((error: unknown) => error);
  await program.executing;
  const { keeper, holder, child } = await startedIn(folders.run);
  await signalProcess(holder, "SIGSTOP");
  await signalProcess(keeper, "SIGKILL");
  await waitForEnd(keeper);
  expect(await findKeptRun(folders, order)).toBeUndefined();
  // The start of this process ends them, too, and whoever comes second does not wait.
  for (const each of [holder, child]) await waitForEnd(each);
  expect(await begun).toMatchObject({ code: "ERR_CONNECTION" });
});

it("a detached program whose start is aborted while it is executed does not run, and is on no record", async () => {
  const { run } = place();
  await using program = await slowProgram(run, SCRIPT);
  const programs = new KeptPrograms({
    name: "web",
    run,
    cgroups: () => [],
    order: async ({ argv }) => ({ argv, env }),
  });
  const { signal, abort } = abortController();
  const id = "0123456789abcdef";
  const request = { id, argv: program.argv, env: {}, cwd: undefined, user: undefined, tty: undefined };
  const start = programs.start(request, { signal }).catch((error: unknown) => error);
  await program.executing;
  const started = await startedIn(join(run, "exec", id));
  abort();
  expect(await start).toMatchObject({ message: "enough" });
  for (const each of Object.values(started)) expect(await isAlive(each)).toBe(false);
  expect([await programs.list({}), existsSync(join(run, "exec", id))]).toEqual([[], false]);
});
