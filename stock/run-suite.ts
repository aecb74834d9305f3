import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cacheFolder } from "../scripts/setup/folders.mjs";
import { INSIDE, packApplication, packChanges } from "./application.ts";
import { MARK } from "./inside/reporter.ts";
import { type Machine, openStockHost, reboot, unpackInto } from "./machine.ts";
import type { Result, Results } from "./results.ts";
import type { Suite } from "./suites.ts";

/** The longest that a step may take on a host as fast as the reference, in milliseconds: see inside/measure.ts. */
const STEP_TIME = 120_000;

export interface RunOptions {
  readonly steps: readonly string[];
  /** Leaves the machine running, and uses one that already runs. */
  readonly keep: boolean;
  readonly signal: AbortSignal;
}

/** Boots the suite's host and runs steps in it. Never rejects: what fails is a result. */
export async function runSuite(suite: Suite, results: Results, { steps, keep, signal }: RunOptions): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "pileus-stock-"));
  const timed = <T>(check: string, work: () => Promise<T>) =>
    results.timed({ suite: suite.name, step: "set-up", check }, work);
  try {
    await using host = await timed("image", () => openStockHost(cacheFolder(), suite, { say: results.say, signal }));
    try {
      const kept = keep ? await host.kept() : undefined;
      const archive = await timed("pack", () => (kept ? packChanges(folder) : packApplication(folder, suite)));
      const machine = kept ?? (await timed("boot", () => host.boot()));
      await timed("install", () => unpackInto(machine, archive, signal));
      const factor = await timed("measure", () => measure(machine, suite, signal));
      results.say(`${suite.name}: this host is ${factor.toFixed(1)} times as slow as the reference`);
      for (const step of steps) {
        signal.throwIfAborted();
        if (step === "reboot") await timed("reboot", () => reboot(machine, signal));
        else await runStep({ machine, suite, step, factor, results, signal });
      }
    } finally {
      if (!keep) await timed("remove", () => host.remove());
    }
  } catch {
    // The failure is recorded, and the next suite still runs.
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** How many times longer this host takes for a fixed piece of work than the machine that time limits are for. */
async function measure(machine: Machine, suite: Suite, signal: AbortSignal): Promise<number> {
  const { stdout } = await machine.run([nodeOf(suite), "stock/inside/measure.js"], {
    cwd: INSIDE,
    check: true,
    signal,
  });
  return Math.max(1, Number(stdout));
}

interface StepContext {
  readonly machine: Machine;
  readonly suite: Suite;
  readonly step: string;
  readonly factor: number;
  readonly results: Results;
  readonly signal: AbortSignal;
}

/** Runs a file of checks inside, and adds its results as they come. */
async function runStep({ machine, suite, step, factor, results, signal }: StepContext): Promise<void> {
  results.say(`${suite.name}: ${step} …`);
  const about = { suite: suite.name, step };
  const start = performance.now();
  const outcomes: boolean[] = [];
  const onLine = (line: string) => {
    if (!line.startsWith(MARK)) return results.say(line);
    const result = JSON.parse(line.slice(MARK.length)) as Omit<Result, "suite" | "step">;
    outcomes.push(result.ok);
    results.add({ ...about, ...result });
  };
  const argv = [nodeOf(suite), "--test-reporter=./stock/inside/reporter.js", `stock/checks/${step}.js`];
  const listeners = { onStdout: onLine, onStderr: onLine };
  const options = { ...listeners, env: { PILEUS_FACTOR: String(factor) }, timeout: STEP_TIME * factor, signal };
  const end = await machine.run(argv, { ...options, cwd: INSIDE }).catch((error: Error) => error);
  if (!(end instanceof Error) && outcomes.length > 0 && end.failed === outcomes.includes(false)) return;
  const error =
    end instanceof Error ? end.message : `it ended with ${JSON.stringify(end.exit)} after ${outcomes.length} checks`;
  results.add({ ...about, check: "ends with its last check", ok: false, ms: performance.now() - start, error });
}

function nodeOf({ ownNode }: Suite): string {
  return ownNode ? "/usr/bin/node" : `${INSIDE}/node`;
}
