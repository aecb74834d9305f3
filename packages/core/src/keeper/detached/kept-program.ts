import { closeSync, openSync, statSync } from "node:fs";
import { join } from "node:path";
import type { BackendDetachedProgram, DetachedOutputOptions } from "../../contract/backend-detached.ts";
import type { DetachedInfo, OutputChunk } from "../../contract/detached.ts";
import { isInstanceError } from "../../errors/all.ts";
import { parseSignal } from "../../files/signal-name.ts";
import type { Abortable } from "../../flow/abortable.ts";
import { unlimitedController, withDeadline } from "../../flow/deadline.ts";
import { endsWithin, type ProcessIdentity, signalProcess } from "../../system/process-identity.ts";
import type { ExitStatus, SignalName } from "../../terms/state.ts";
import { type KeeperExit, readExitFile, readKeeperExit } from "../exit-record.ts";
import { successorIsDue } from "../follow.ts";
import { endWithPrograms } from "../given-up.ts";
import { livingKeeper, readHeldRun } from "../held-run.ts";
import { findHolder } from "../holder.ts";
import { findKeeper, type Keeper } from "../keeper.ts";
import { succeedKeeper } from "../succeed.ts";
import { syncLog } from "../sync-log.ts";
import { type ProgramFacts, readProgramFacts } from "./facts.ts";
import { countOutput, type OutputQuery, readOutput } from "./output.ts";

/** The bounds of the output of one program: the last 1 to 2 MiB are kept. */
export const OUTPUT_BOUNDS = { size: 2 ** 20, files: 2 } as const;

/** How the programs of a run are held. */
export interface Held {
  /** The cgroups of the keepers. */
  readonly cgroups: readonly string[];
  /** Whether their holders are not forks of their keepers: `LaunchKeeperOptions.starter`. */
  readonly starter: boolean;
  /** How a signal gets to the program of a folder, whose holder this is. */
  signal(holder: ProcessIdentity, signal: number, folder: string): Promise<void>;
}

/** A program whose keeper's folder this is, as it is now. */
export type Found =
  | { readonly kind: "running"; readonly facts: ProgramFacts }
  | { readonly kind: "over"; readonly facts: ProgramFacts; readonly exit?: ExitStatus | undefined; readonly at: number }
  /** It is kept, but has not started yet, or its record is damaged. */
  | { readonly kind: "unknown" }
  /** Its keeper is gone and has not recorded a start. Its holder lives, so it may run: {@link endKept}. */
  | { readonly kind: "abandoned" }
  /** It never started. */
  | { readonly kind: "none" };

/** One that is on record. */
export type Known = Extract<Found, { readonly kind: "running" | "over" }>;

export function isKnown(found: Found): found is Known {
  return found.kind === "running" || found.kind === "over";
}

/**
 * Looks for the program of a folder. A keeper that lives is not asked as long as its holder lives: one that hangs makes no
 * other program unknown, and holds up no signal.
 */
export async function findProgram(folder: string, held: Held, options: Abortable): Promise<Found> {
  const facts = await readProgramFacts(folder);
  if (facts === undefined) return { kind: (await isKept(folder, options)) ? "unknown" : "none" };
  // Not what the holder has left: the keeper may still be writing what was printed last.
  const ended = await readExitFile(folder);
  if (ended !== undefined) return over(folder, facts, ended);
  if ((await hasBegun(folder)) && (await findHolder(folder)) !== undefined) {
    if ((await livingKeeper(folder)) === undefined) await beSucceeded(folder, held, options);
    return { kind: "running", facts };
  }
  const keeper = await lastKeeper(folder, options);
  try {
    const { state } = keeper?.state ?? {};
    if (state === "configured" || state === "starting") return { kind: "unknown" };
    if ((await findHolder(folder)) !== undefined) {
      // Before the record: one that is gone by now writes there no more. One that hangs may.
      const living = await livingKeeper(folder);
      if (state !== undefined || (await hasBegun(folder))) return { kind: "running", facts };
      return { kind: living === undefined ? "abandoned" : "unknown" };
    }
    const exit = (keeper && (await exitOf(keeper, options))) ?? (await readKeeperExit(folder));
    return exit !== undefined || (await hasBegun(folder)) ? over(folder, facts, exit) : { kind: "none" };
  } finally {
    keeper?.detach();
  }
}

/** Whether the program has started, by the record of its keeper. */
async function hasBegun(folder: string): Promise<boolean> {
  return (await readHeldRun(folder))?.boots === 1;
}

/** How long a keeper may take to tell an end that it has seen, in milliseconds. It takes a few. */
const EXIT_TIME = 5000;

/** What a keeper tells of a run whose holder has ended; `undefined` for one that hangs. */
async function exitOf(keeper: Keeper, { signal }: Abortable): Promise<KeeperExit | undefined> {
  try {
    return await withDeadline({ action: "the end of a keeper", timeout: EXIT_TIME, signal }, () => keeper.exit);
  } catch {
    signal?.throwIfAborted();
    return undefined;
  }
}

/** Starts the next keeper. Who needs one is told why there is none: to the others the program runs. */
async function beSucceeded(folder: string, held: Held, options: Abortable): Promise<void> {
  try {
    (await anyKeeper(folder, held, options))?.detach();
  } catch {
    options.signal?.throwIfAborted();
  }
}

async function isKept(folder: string, options: Abortable): Promise<boolean> {
  if ((await findHolder(folder)) !== undefined) return true;
  const keeper = await lastKeeper(folder, options);
  keeper?.detach();
  return keeper !== undefined;
}

/** The keeper of a program that does not run; `undefined` when there is none, or it hangs. */
async function lastKeeper(folder: string, options: Abortable): Promise<Keeper | undefined> {
  try {
    return await keeperIfThere(folder, options);
  } catch (error) {
    if (!isInstanceError(error, "ERR_TIMEOUT")) throw error;
    return undefined;
  }
}

function over(folder: string, facts: ProgramFacts, exit: KeeperExit | undefined): Found {
  if (exit?.failed) return { kind: "none" };
  return { kind: "over", facts, exit: exit?.status, at: exit?.endedAt ?? lastNews(folder, exit) };
}

/** When a program was over whose keeper could not record its end: when its holder wrote that, or when somebody saw it. */
function lastNews(folder: string, exit: KeeperExit | undefined): number {
  const path = join(folder, exit === undefined ? "lost" : "status");
  try {
    // One that is there stays as it is.
    if (exit === undefined) closeSync(openSync(path, "a", 0o600));
    return Math.round(statSync(path).mtimeMs);
  } catch {
    // The folder is gone, or the disk is full: then it is seen now.
    return Date.now();
  }
}

/** Its keeper, or another in the place of one that was killed; `undefined` when the program is over, or has not started. */
async function anyKeeper(folder: string, { cgroups, starter }: Held, options: Abortable): Promise<Keeper | undefined> {
  const found = await keeperIfThere(folder, options);
  if (found !== undefined) return found;
  const holder = await findHolder(folder);
  if (holder === undefined) return undefined;
  const counted = async () => ({ argv: [], env: {}, cgroups, log: OUTPUT_BOUNDS, counted: await countOutput(folder) });
  return succeedKeeper({ run: folder, log: folder }, counted, { ...options, holder, starter });
}

/** Ends a program that may have started just when its start was given up. Tells whether it has ended. */
export async function endKept(folder: string, held: Held): Promise<boolean> {
  const keeper = await keeperIfThere(folder, {}).catch(() => undefined);
  keeper?.kill();
  if (keeper !== undefined) await exitOf(keeper, {});
  keeper?.detach();
  // A keeper that was killed leaves the program to its holder, which nobody would find without the folder.
  const holder = await findHolder(folder);
  if (holder === undefined) return true;
  // The program of a fork of the keeper would live on.
  if (!held.starter) return endWithPrograms(holder);
  await signalProcess(holder, "SIGKILL");
  return endsWithin(holder, HOLDER_TIME);
}

/** How long a killed holder may take to end, in milliseconds. */
const HOLDER_TIME = 5000;

async function keeperIfThere(folder: string, options: Abortable): Promise<Keeper | undefined> {
  try {
    return await findKeeper(folder, {}, options);
  } catch (error) {
    options.signal?.throwIfAborted();
    if (!isInstanceError(error, "ERR_CONNECTION")) throw error;
    return undefined;
  }
}

/** What is on record of a program. */
export function infoOf(id: string, found: Known): DetachedInfo {
  const { argv, startedAt } = found.facts;
  if (found.kind === "running") return { id, argv, startedAt, state: "running" };
  const { exit, at: endedAt } = found;
  return exit === undefined
    ? { id, argv, startedAt, state: "lost", endedAt }
    : { id, argv, startedAt, state: "ended", exit, endedAt };
}

/** A detached program as one process holds it. */
export class KeptProgram implements BackendDetachedProgram {
  readonly info: DetachedInfo;
  readonly exit: Promise<ExitStatus | undefined>;
  readonly #folder: string;
  readonly #held: Held;
  readonly #over = unlimitedController();
  readonly #left = new AbortController();
  #keeper: Keeper | undefined;

  constructor(folder: string, held: Held, id: string, found: Known) {
    this.#folder = folder;
    this.#held = held;
    this.info = infoOf(id, found);
    this.exit = found.kind === "over" ? Promise.resolve(found.exit) : this.#awaitEnd();
    const end = () => this.#over.abort();
    this.exit.then(end, end);
    if (found.kind === "over") end();
  }

  async output({ offset, follow, signal }: DetachedOutputOptions): Promise<AsyncIterable<OutputChunk>> {
    if (!follow) await syncLog(this.#folder, { signal });
    const query = { offset, signal, left: this.#left.signal };
    return follow ? this.#followed(query) : readOutput(this.#folder, query);
  }

  /** The output until the end. Fails when that cannot be seen: what ends as if the program were over would mislead. */
  async *#followed(query: OutputQuery): AsyncGenerator<OutputChunk> {
    yield* readOutput(this.#folder, { ...query, over: this.#over.signal });
    // After a release it may never settle.
    if (!this.#left.signal.aborted) await this.exit;
  }

  async kill(signal: SignalName): Promise<void> {
    const number = parseSignal(signal);
    const holder = await findHolder(this.#folder);
    if (number !== undefined && holder !== undefined) await this.#held.signal(holder, number, this.#folder);
  }

  release(): void {
    this.#left.abort();
    this.#keeper?.detach();
  }

  async #awaitEnd(): Promise<ExitStatus | undefined> {
    for (let since = 0; ; since = performance.now()) {
      const keeper = await anyKeeper(this.#folder, this.#held, {});
      this.#keeper = keeper;
      if (this.#left.signal.aborted) keeper?.detach();
      const exit = await keeper?.exit;
      if (this.#left.signal.aborted) return new Promise<never>(() => undefined);
      if (exit !== undefined) return exit.status;
      // Its keeper was killed, or has ended before it could be asked.
      const holder = await findHolder(this.#folder);
      if (since > 0 && holder !== undefined) await successorIsDue(holder, since);
      const found = await findProgram(this.#folder, this.#held, {});
      if (found.kind !== "running") return found.kind === "over" ? found.exit : undefined;
    }
  }
}
