import { isInstanceError } from "../errors/all.ts";
import type { Abortable } from "../flow/abortable.ts";
import { allOrNothing } from "../flow/cleanup.ts";
import { abortable, withDeadline } from "../flow/deadline.ts";
import { makeFolders } from "../system/make-folders.ts";
import { identifyProcess, isAlive, type ProcessIdentity } from "../system/process-identity.ts";
import { type KeeperExit, readKeeperExit } from "./exit-record.ts";
import { followKeeper, identifyHolder } from "./follow.ts";
import { endWithPrograms } from "./given-up.ts";
import { readHeldRun } from "./held-run.ts";
import { findHolder } from "./holder.ts";
import { findKeeper, type Keeper } from "./keeper.ts";
import { type KeeperFolders, type LaunchKeeperOptions, launchKeeper } from "./launch.ts";
import type { KeeperOrder } from "./order.ts";
import { succeedKeeper } from "./succeed.ts";

/** How long a keeper may take to tell that its program has ended, in milliseconds. */
const TELL_TIME = 5000;

/** What must be known about a run. */
interface KeptRunParts {
  readonly folders: KeeperFolders;
  readonly order: KeeperOrder;
  readonly holder: ProcessIdentity;
  readonly program: ProcessIdentity;
}

/**
 * The run of a plain program, as one process holds it: the program is a process of the host, and a child of its keeper.
 * It goes on without this process. A keeper that is killed gets a successor.
 */
export class KeptRun {
  /**
   * How it ended, with its use of resources; `undefined`: nobody could record it. Never rejects. Never settles after
   * {@link detach}.
   */
  readonly ended: Promise<KeeperExit | undefined>;
  readonly #parts: KeptRunParts;
  readonly #left = new AbortController();

  private constructor(parts: KeptRunParts, keeper: Keeper) {
    this.#parts = parts;
    this.ended = this.#awaitEnd(keeper);
  }

  /** `keeper`: one whose program runs. It is detached if this fails, for example because no descriptor is free. */
  static async of(folders: KeeperFolders, order: KeeperOrder, keeper: Keeper): Promise<KeptRun> {
    const { program: pid } = keeper.state;
    const holder = await identifyHolder(keeper);
    return allOrNothing(async (undo) => {
      undo(() => keeper.detach());
      // One that has ended already has no identity: nothing can be sent to this.
      const program = (await identifyProcess(pid)) ?? { pid, startTime: 0, boot: "" };
      return new KeptRun({ folders, order, holder, program }, keeper);
    });
  }

  /** The program. */
  get program(): ProcessIdentity {
    return this.#parts.program;
  }

  /**
   * Whether the folders are still those of this run. Not, once the next has begun: what another process has started there must not
   * be taken for what this run has left.
   */
  async isLatest(): Promise<boolean> {
    return (await readHeldRun(this.#parts.folders.run))?.holder === this.#parts.holder.pid;
  }

  /** Stops watching; the run goes on. */
  detach(): void {
    this.#left.abort();
  }

  async #awaitEnd(keeper: Keeper): Promise<KeeperExit | undefined> {
    const { folders, order, holder } = this.#parts;
    const { signal } = this.#left;
    const next = (until: AbortSignal) => succeedKeeper(folders, () => order, { holder, signal: until });
    const seen = await followKeeper(keeper, { holder, next, signal });
    if (signal.aborted) return new Promise<never>(() => undefined);
    return seen ?? (await readKeeperExit(folders.run, holder.pid).catch(() => undefined));
  }
}

/**
 * Starts a program with a keeper, and makes the folder of its log. Resolves when it was executed. A failure, an abort,
 * or the end of this process before leaves no program.
 *
 * @throws as {@link LaunchedKeeper.begin} does.
 */
export async function startKeptRun(
  folders: KeeperFolders,
  order: KeeperOrder,
  options: Pick<LaunchKeeperOptions, "descriptors" | "signal"> = {},
): Promise<KeptRun> {
  makeFolders(folders.log, 0o700);
  const launched = await launchKeeper(folders, order, options);
  return KeptRun.of(folders, order, await launched.begin(options));
}

/**
 * Finds a run that another process started, in whatever process, and starts the next keeper if its own was killed. `order` is
 * the one of the launch; of its program nothing is needed. `undefined` when nothing runs: what a start that was cut short
 * has left is killed, with everything that it has started.
 */
export async function findKeptRun(
  folders: KeeperFolders,
  order: KeeperOrder,
  options: Abortable = {},
): Promise<KeptRun | undefined> {
  const keeper = (await keeperIfThere(folders.run, options)) ?? (await successor(folders, order, options));
  if (keeper === undefined) return undefined;
  if (keeper.state.program !== 0) {
    const run = await KeptRun.of(folders, order, keeper);
    return (await isOver(run, options)) ? undefined : run;
  }
  keeper.kill();
  await abortable(keeper.exit, options.signal);
  return undefined;
}

/** Whether a run is over: its program has ended, and its keeper, which may be slower than we are, knows it too by now. */
async function isOver(run: KeptRun, { signal }: Abortable): Promise<boolean> {
  if (await isAlive(run.program)) return false;
  try {
    await withDeadline({ action: "the end of a run", timeout: TELL_TIME, signal }, () => run.ended);
    return true;
  } catch {
    signal?.throwIfAborted();
    return false;
  }
}

async function keeperIfThere(run: string, options: Abortable): Promise<Keeper | undefined> {
  try {
    return await findKeeper(run, {}, options);
  } catch (error) {
    options.signal?.throwIfAborted();
    if (!isInstanceError(error, "ERR_CONNECTION")) throw error;
    return undefined;
  }
}

async function successor(folders: KeeperFolders, order: KeeperOrder, options: Abortable): Promise<Keeper | undefined> {
  const holder = await findHolder(folders.run);
  if (holder !== undefined && (await readHeldRun(folders.run))?.boots === 0) {
    await abortable(endWithPrograms(holder), options.signal);
    return undefined;
  }
  return holder && succeedKeeper(folders, () => order, { ...options, holder });
}
