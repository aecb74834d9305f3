import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { BackendDetachedProgram } from "../../src/contract/backend-detached.ts";
import { KeptPrograms } from "../../src/keeper/detached/kept-programs.ts";
import { livingKeeper } from "../../src/keeper/held-run.ts";
import { findHolder } from "../../src/keeper/holder.ts";
import { identifyChild, type ProcessIdentity, signalProcess, waitForEnd } from "../../src/system/process-identity.ts";
import { places } from "./support.ts";

const place = places();
const id = "0123456789abcdef";
const env = { PATH: process.env["PATH"] ?? "" };
const KILLED = { kind: "signaled", signal: "SIGKILL" };

/** The programs of a run, which are processes of this host. */
function programsIn(run: string): KeptPrograms {
  return new KeptPrograms({ name: "web", run, cgroups: () => [], order: async ({ argv }) => ({ argv, env }) });
}

function start(programs: KeptPrograms, ...argv: readonly string[]) {
  return programs.start({ id, argv, env: {}, cwd: undefined, user: undefined, tty: undefined }, {});
}

async function opened(programs: KeptPrograms): Promise<BackendDetachedProgram> {
  return (await programs.open(id, {})) ?? expect.fail("it is not on record");
}

/** The pids that a program prints, one a line, once there are so many. */
async function printedPids(program: BackendDetachedProgram, count: number): Promise<readonly ProcessIdentity[]> {
  let text = "";
  for await (const { data } of await program.output({ offset: 0, follow: true })) {
    text += data.toString();
    const lines = text.split("\n").slice(0, -1);
    if (lines.length === count) return lines.map((line) => identifyChild(Number(line)));
  }
  return expect.fail(`it has printed ${JSON.stringify(text)}`);
}

async function ended(identity: ProcessIdentity | undefined): Promise<void> {
  if (identity === undefined) throw new Error("no such process");
  await waitForEnd(identity, { timeout: 20_000 });
}

it("a detached program of the host is on record, and its group gets a signal", async () => {
  const programs = programsIn(place().run);
  const info = await start(programs, "sh", "-c", "sleep 1000 & echo $!; wait");
  expect(await programs.list({})).toEqual([info]);
  const program = await opened(programs);
  const [child] = await printedPids(program, 1);
  await program.kill("SIGTERM");
  expect(await program.exit).toEqual({ kind: "signaled", signal: "SIGTERM" });
  await ended(child);
  await program.kill("SIGKILL");
  expect(await programs.list({})).toMatchObject([{ id, state: "ended" }]);
});

it("a kill of a detached program of the host ends all that it has started, also what has left it", async () => {
  const programs = programsIn(place().run);
  // The second has lost its parent.
  const script = "setsid sleep 1000 & echo $!; (setsid sleep 1000 & echo $!); wait";
  await start(programs, "sh", "-c", script);
  const program = await opened(programs);
  const started = await printedPids(program, 2);
  await program.kill("SIGKILL");
  expect(await program.exit).toEqual(KILLED);
  for (const each of started) await ended(each);
});

it("a detached program of the host whose keeper was killed has the next one, and obeys", async () => {
  const { run } = place();
  const folder = join(run, "exec", id);
  await start(programsIn(run), "sh", "-c", "echo $$; exec sleep 1000");
  const before = await opened(programsIn(run));
  const [itself] = await printedPids(before, 1);
  before.release();
  const keeper = (await livingKeeper(folder)) as ProcessIdentity;
  await signalProcess(keeper, "SIGKILL");
  await ended(keeper);
  const program = await opened(programsIn(run));
  expect(await printedPids(program, 1)).toEqual([itself]);
  await program.kill("SIGKILL");
  expect(await program.exit).toEqual(KILLED);
  await ended(itself);
});

it("a detached program of the host that cannot be started is on no record, and leaves nothing", async () => {
  const { run } = place();
  const programs = programsIn(run);
  await expect(start(programs, "/no/such/program")).rejects.toMatchObject({ code: "ERR_PROGRAM_NOT_FOUND" });
  expect(await programs.list({})).toEqual([]);
  const folder = join(run, "exec", id);
  expect([existsSync(folder), await findHolder(folder)]).toEqual([false, undefined]);
});
