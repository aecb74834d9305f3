import { readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { setImmediate, setTimeout } from "node:timers/promises";
import { expect, it } from "vitest";
import { isInstanceError } from "../../src/errors/all.ts";
import { livingKeeper } from "../../src/keeper/held-run.ts";
import { findHolder } from "../../src/keeper/holder.ts";
import { type KeptRun, startKeptRun } from "../../src/keeper/kept-run.ts";
import { readProcesses } from "../../src/processes/process-ids.ts";
import {
  identifyProcess,
  isAlive,
  type ProcessIdentity,
  signalProcess,
  waitForEnd,
} from "../../src/system/process-identity.ts";
import { random } from "./log/random.ts";
import { places } from "./support.ts";

/** `PILEUS_KILLS=200` kills more often, `PILEUS_SEED` repeats a run: see docs/testing.md. */
const KILLS = Number(process.env["PILEUS_KILLS"] ?? 60);
/** No start takes longer, whatever was killed, in milliseconds. */
const SETTLES = 20_000;

const place = places();
const VICTIMS = ["keeper", "holder", "program"] as const;
type Victim = (typeof VICTIMS)[number];
const DEEDS = ["kill", "kill", "stop", "stop and abort", "abort"] as const;

/** The processes of a start that is under way, as far as it has come. */
function processesOf(run: string): Readonly<Partial<Record<Victim, number>>> {
  let record: readonly number[] = [];
  try {
    record = readFileSync(join(run, "holder"), "latin1").trim().split(" ").map(Number);
  } catch {
    return {};
  }
  const [holder, , , keeper] = record;
  const program = readProcesses().find(({ parent }) => parent === holder)?.pid;
  return { ...(keeper && { keeper }), ...(holder && { holder }), ...(program && { program }) };
}

/** A victim as soon as it is there, and all that were there by then. */
async function awaitVictim(run: string, victim: Victim, isOver: () => boolean): Promise<ProcessIdentity | undefined> {
  while (!isOver()) {
    const pid = processesOf(run)[victim];
    if (pid !== undefined) return identifyProcess(pid);
    await setImmediate();
  }
  return undefined;
}

it(`a start of a plain program survives ${KILLS} kills and stops at random moments, and leaves nothing`, {
  timeout: 30_000 + KILLS * 8000,
}, async () => {
  const { seed, integer } = random();
  const used: string[] = [];
  console.log(`PILEUS_SEED=${seed}`);
  const pick = <T>(of: readonly T[]): T => of[integer(of.length)] as T;
  for (let kill = 1; kill <= KILLS; kill++) {
    const [victim, deed, pause, folders] = [pick(VICTIMS), pick(DEEDS), integer(8), place()];
    const told = `seed ${seed}, kill ${kill}: ${deed} ${victim} after ${pause} ms`;
    used.push(folders.run);
    const script = `(setsid sleep 1000 &); exec sleep 1000`;
    const controller = new AbortController();
    let isOver = false;
    const starting = startKeptRun(
      folders,
      { argv: ["/bin/sh", "-c", script], env: { PATH: process.env["PATH"] ?? "" }, cwd: folders.run },
      { signal: controller.signal },
    )
      .catch((error: unknown) => error)
      .finally(() => {
        isOver = true;
      });
    const found = await awaitVictim(folders.run, victim, () => isOver);
    await setTimeout(pause);
    if (found !== undefined && deed !== "abort") await signalProcess(found, deed === "kill" ? "SIGKILL" : "SIGSTOP");
    if (deed.includes("abort")) controller.abort(new Error("enough"));
    if (deed === "stop") await Promise.race([starting, setTimeout(200, undefined, { ref: false })]);
    if (deed === "stop" && found !== undefined) await signalProcess(found, "SIGCONT");
    const outcome = await Promise.race([starting, setTimeout(SETTLES, "it does not settle", { ref: false })]);
    if (deed === "stop and abort" && found !== undefined) await signalProcess(found, "SIGCONT");
    if (typeof outcome === "object" && outcome !== null && "ended" in outcome) {
      const run = outcome as KeptRun;
      await end(run, folders.run, told);
    } else {
      expect(isInstanceError(outcome) || (outcome as Error)?.message === "enough", `${told}: ${outcome}`).toBe(true);
    }
    const left = [await livingKeeper(folders.run), await findHolder(folders.run), ...within(folders.run)];
    expect(left, `${told}: ${String(outcome)}`).toEqual([undefined, undefined]);
  }
  expect(used.flatMap(within)).toEqual([]);
});

/** Ends a run that has started, whatever was killed of it. */
async function end(run: KeptRun, folder: string, told: string): Promise<void> {
  let isOver = false;
  const late = setTimeout(SETTLES, "it does not end", { ref: false });
  const ended = Promise.race([run.ended, late]).finally(() => {
    isOver = true;
  });
  for (let left = within(folder); !isOver || left.length > 0; left = within(folder)) {
    for (const pid of left) {
      const each = await identifyProcess(pid);
      if (each !== undefined) await signalProcess(each, "SIGKILL");
    }
    await setImmediate();
  }
  expect(await ended, told).not.toBe("it does not end");
  expect(await isAlive(run.program), told).toBe(false);
  // It tells the end before its own.
  const keeper = await livingKeeper(folder);
  if (keeper !== undefined) await waitForEnd(keeper, { timeout: SETTLES });
}

/**
 * The processes in that working folder: the program of a start, and what that has started. It is there also while a process
 * executes another program, when it shows no environment: proc_pid_environ(5).
 */
function within(folder: string): readonly number[] {
  return readProcesses().flatMap(({ pid }) => {
    try {
      return readlinkSync(`/proc/${pid}/cwd`) === folder ? [pid] : [];
    } catch {
      return [];
    }
  });
}
