import { join } from "node:path";
import { cacheFolder } from "../scripts/setup/folders.mjs";
import { archive, CHANGING, INSIDE } from "./application.ts";
import { inChroot } from "./chroot.ts";
import { inMachine, type Machine, openStockHost, reboot, type StockHost, unpackInto } from "./machine.ts";
import type { Results } from "./results.ts";
import { runStep } from "./run-step.ts";
import { HERE, type Suite } from "./suites.ts";

export interface RunOptions {
  readonly steps: readonly string[];
  /** Leaves the machine running, and uses one that already runs. */
  readonly keep: boolean;
  /** A folder for archives. */
  readonly folder: string;
  /** Resolves with the folder of the application, which suites share. */
  readonly application: () => Promise<string>;
  readonly signal: AbortSignal;
}

/** Boots the suite's host and runs steps in it. Never rejects: what fails is a result. */
export async function runSuite(suite: Suite, results: Results, options: RunOptions): Promise<void> {
  const { steps, keep, signal } = options;
  const timed: Timed = (check, work) => results.timed({ step: "set-up", check }, work);
  try {
    await using host = await timed("image", () => openStockHost(cacheFolder(), suite, keep, signal));
    const application = await timed("application", options.application);
    const copiedNode = `${INSIDE}/node`;
    const node = suite.ownNode ? "/usr/bin/node" : copiedNode;
    try {
      const machine = steps.every((step) => step === HERE) ? undefined : await ready(host, application, options, timed);
      for (const step of steps) {
        signal.throwIfAborted();
        if (step === HERE) {
          const run = inChroot(host.tree, application);
          for (const each of new Set([node, copiedNode])) await runStep({ run, node: each, signal }, step, results);
        } else if (machine !== undefined) {
          if (step === "reboot") await timed(step, () => reboot(machine, signal));
          else await runStep({ run: inMachine(machine), node, signal }, step, results);
        }
      }
    } finally {
      if (!keep) await timed("remove", () => host.remove());
    }
  } catch {
    // The failure is recorded, and the other suites still run.
  }
}

type Timed = <T>(check: string, work: () => Promise<T>) => Promise<T>;

/** The machine with the application in it: a new one, or the one that was kept, brought up to date. */
async function ready(
  host: StockHost,
  application: string,
  { keep, folder, signal }: RunOptions,
  timed: Timed,
): Promise<Machine> {
  const kept = keep ? await host.kept() : undefined;
  const machine = kept ?? (await timed("boot", () => host.boot()));
  await timed("install", async () => {
    const file = await archive(application, kept ? CHANGING : ["."], join(folder, `${machine.name}.tar.zst`));
    await unpackInto(machine, file, signal);
  });
  return machine;
}
