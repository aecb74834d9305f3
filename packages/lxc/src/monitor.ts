import { type Abortable, ConnectionError, isInstanceError } from "@pileus/core";
import {
  abortable,
  findKeeper,
  findProcesses,
  followKeeper,
  identifyHolder,
  type Keeper,
  type KeeperExit,
  type KeeperFolders,
  type ProcessIdentity,
  readCgroupLayout,
  readKeeperExit,
  succeedKeeper,
} from "@pileus/core/driver";
import { monitorArgv } from "./commands.ts";
import type { ContainerSpec } from "./container-spec.ts";
import { InitProcess } from "./init-process.ts";
import { keeperOrder } from "./keeper-order.ts";
import type { PlacedSpec } from "./paths.ts";

/**
 * One run: its starter, which is the parent of PID 1 and cleans up after it, and its keeper. Both outlive our process. A
 * keeper that is killed gets a successor.
 */
export class Monitor {
  /** The starter. */
  readonly identity: ProcessIdentity;
  readonly init: InitProcess;
  /** Resolves when both are gone, with how the run ended. Never rejects. A reboot inside is not the end. */
  readonly ended: Promise<KeeperExit | undefined>;
  readonly #spec: ContainerSpec;
  readonly #booted: () => void;
  readonly #waiting = new Set<() => void>();
  readonly #onBoot = new Set<() => void>();
  readonly #left = new AbortController();
  #keeper: Keeper;

  constructor(spec: ContainerSpec, identity: ProcessIdentity, keeper: Keeper, boots: Boots) {
    this.identity = identity;
    this.#spec = spec;
    this.#keeper = keeper;
    this.init = new InitProcess(spec.hostName, identity, () => this.#keeper.state);
    this.#booted = () => {
      for (const tell of [...this.#waiting, ...this.#onBoot]) tell();
    };
    boots.listener = this.#booted;
    this.ended = this.#awaitEnd();
  }

  /** Whether nothing was started yet: its launch prepares the root, or was cut short. */
  get isWaiting(): boolean {
    return this.#keeper.state.state === "configured";
  }

  /** Calls `listener` at each boot from now on, and when the keeper was replaced, which may have missed one. */
  onBoot(listener: () => void): void {
    this.#onBoot.add(listener);
  }

  /** Kills PID 1, and each that a reboot would start in its place. */
  kill(): void {
    this.#keeper.kill();
  }

  /** Resolves when everything that was printed before this call is in the log. */
  async sync(options: Abortable): Promise<void> {
    // A keeper that ends has written all by then.
    await this.#keeper.sync(options).catch((error) => {
      options.signal?.throwIfAborted();
      if (!isInstanceError(error, "ERR_CONNECTION")) throw error;
    });
  }

  /** Stops watching; the run goes on. `ended` then never settles. */
  detach(): void {
    this.#left.abort();
  }

  /**
   * Resolves when another PID 1 than `before` was started: any, if there was none. @throws {ConnectionError} when the run
   * ends instead.
   */
  async untilNextInit(
    before: ProcessIdentity | undefined,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<void> {
    const over = this.ended.then(() => {
      throw new ConnectionError(`container "${this.#spec.hostName}"`, "it has ended instead of a reboot");
    });
    over.catch(() => undefined);
    for (;;) {
      let tell = () => {};
      const booted = new Promise<void>((resolve) => {
        tell = resolve;
        this.#waiting.add(tell);
      });
      try {
        const now = this.init.find();
        if (now !== undefined && now.pid !== before?.pid) return;
        await abortable(Promise.race([booted, over]), signal);
      } finally {
        this.#waiting.delete(tell);
      }
    }
  }

  async #awaitEnd(): Promise<KeeperExit | undefined> {
    const exit = await followKeeper(this.#keeper, {
      holder: this.identity,
      next: (signal) => resume(this.#spec, this.identity, this.#booted, { signal }),
      held: (keeper) => {
        this.#keeper = keeper;
        this.#booted();
      },
      signal: this.#left.signal,
    });
    if (this.#left.signal.aborted) return new Promise<never>(() => undefined);
    return exit ?? readExit(this.#spec, this.identity);
  }
}

/** Where a keeper's news of a start go: it is made before the monitor. */
export interface Boots {
  listener: () => void;
}

/** Finds a run that another process started; `undefined` when there is none. */
export async function findMonitor(spec: ContainerSpec): Promise<Monitor | undefined> {
  const boots: Boots = { listener: () => undefined };
  const events = { started: () => boots.listener() };
  try {
    const keeper = await findKeeper(spec.run, events);
    return new Monitor(spec, await identifyHolder(keeper), keeper, boots);
  } catch (error) {
    if (!isInstanceError(error, "ERR_CONNECTION")) throw error;
  }
  // It was killed, or there is none.
  const [starter] = await monitors(spec);
  const successor = starter === undefined ? undefined : await resume(spec, starter, events.started);
  return starter === undefined || successor === undefined ? undefined : new Monitor(spec, starter, successor, boots);
}

/** Our processes that are starters of this container, at any stage. */
export function monitors(spec: PlacedSpec): Promise<readonly ProcessIdentity[]> {
  const begin = monitorArgv(spec);
  return findProcesses((argv) => begin.every((argument, index) => argv[index] === argument));
}

export function foldersOf({ run, log }: ContainerSpec): KeeperFolders {
  return { run, log };
}

/** A new keeper for a run that has lost its own; `undefined` when the run has ended. */
function resume(
  spec: ContainerSpec,
  starter: ProcessIdentity,
  started: () => void,
  { signal }: Abortable = {},
): Promise<Keeper | undefined> {
  const order = () => keeperOrder(spec, readCgroupLayout());
  return succeedKeeper(foldersOf(spec), order, { holder: starter, starter: true, events: { started }, signal });
}

/** The end of a run that no keeper could tell. Another process may have begun the next run by now. */
function readExit(spec: ContainerSpec, starter: ProcessIdentity): Promise<KeeperExit | undefined> {
  return readKeeperExit(spec.run, starter.pid).catch(() => undefined);
}
