import { type Abortable, isInstanceError } from "@pileus/core";
import {
  findKeeper,
  followKeeper,
  type InstanceContext,
  identifyHolder,
  identifyProcess,
  type Keeper,
  type KeeperExit,
  ownCgroup,
  type ProcessIdentity,
  parseProcessStat,
  readHeldRun,
  readIfThere,
  readKeeperExit,
  succeedKeeper,
  withDeadline,
} from "@pileus/core/driver";
import { accountsOf, keeperOrder } from "./keeper-order.ts";

/** How long a keeper may take to record the end of a QEMU that has ended, in milliseconds. It takes a few. */
const RECORD_TIME = 5000;

/** What must be known about a machine to find its keeper. */
export interface MachineSpec {
  readonly instance: Pick<InstanceContext, "run" | "log" | "config">;
  /** The name of its cgroup. */
  readonly cgroup: string;
  readonly identity: ProcessIdentity;
}

/** What must be known about a machine to give it the next keeper. */
export interface KeptSpec extends MachineSpec {
  /** The parent of its QEMU, which holds the streams of that. */
  readonly holder: ProcessIdentity;
}

/** The keeper of a machine. One that is killed gets a successor, as long as somebody holds the streams of QEMU. */
export class KeptMachine {
  /** Resolves when no keeper is left, because the machine has ended or its streams are lost. Never rejects. */
  readonly over: Promise<void>;
  readonly #spec: KeptSpec;
  readonly #left = new AbortController();
  #isKept = true;
  #exit: KeeperExit | undefined;

  /** `keeper`: `undefined` while it does not answer. */
  constructor(spec: KeptSpec, keeper: Keeper | undefined) {
    this.#spec = spec;
    this.over = this.#follow(keeper);
  }

  /** Whether somebody still keeps its console and its log, even if it does not answer at the moment. */
  get isKept(): boolean {
    return this.#isKept;
  }

  /** How a QEMU ended that has ended. `undefined`: nobody could record it. Never rejects. */
  async exit(): Promise<KeeperExit | undefined> {
    await soon(this.over);
    const exit = this.#exit ?? (await readKeeperExit(this.#spec.instance.run).catch(() => undefined));
    // Another process may have begun the next run meanwhile, and that may have ended.
    return exit?.program === this.#spec.identity.pid ? exit : undefined;
  }

  /** Stops watching; the run goes on. */
  detach(): void {
    this.#left.abort();
  }

  async #follow(keeper: Keeper | undefined): Promise<void> {
    this.#exit = await followKeeper(keeper, {
      holder: this.#spec.holder,
      next: (signal) => succeed(this.#spec, { signal }),
      signal: this.#left.signal,
    });
    this.#isKept = false;
  }
}

/**
 * Finds the keeper of a machine that another process started, or starts the next one if it was killed. One that does not
 * answer is waited for in the background. `undefined`: it has none, because an earlier release started it, or because its
 * streams were lost.
 */
export async function findKept(spec: MachineSpec, options: Abortable): Promise<KeptMachine | undefined> {
  const found = await find(spec.instance.run, options);
  const holder = found.keeper === undefined ? await holderOf(spec) : await identifyHolder(found.keeper);
  if (holder === undefined) return undefined;
  const kept = { ...spec, holder };
  const keeper = found.hangs ? undefined : (found.keeper ?? (await succeed(kept, options).catch(() => undefined)));
  if (options.signal?.aborted) keeper?.detach();
  options.signal?.throwIfAborted();
  return new KeptMachine(kept, keeper);
}

/** Waits until the keeper of a machine that has ended has recorded how, if there is one and it does so soon. */
export async function finishKept(run: string, options: Abortable): Promise<void> {
  const { keeper } = await find(run, options);
  if (keeper === undefined) return;
  await soon(keeper.exit);
  keeper.detach();
}

/** Waits for what a keeper tells of the end of a QEMU, but not for ever. */
export async function soon<T>(promise: Promise<T>): Promise<T | undefined> {
  return withDeadline({ action: "the record of a keeper", timeout: RECORD_TIME }, () => promise).catch(() => undefined);
}

async function find(
  run: string,
  { signal }: Abortable,
): Promise<{ readonly keeper?: Keeper | undefined; readonly hangs?: boolean }> {
  try {
    return { keeper: await findKeeper(run, {}, { signal }) };
  } catch (error) {
    signal?.throwIfAborted();
    if (!isInstanceError(error, "ERR_CONNECTION", "ERR_TIMEOUT")) throw error;
    return { hangs: error.code === "ERR_TIMEOUT" };
  }
}

/** The process that a keeper noted as the holder, if it is the parent of this QEMU: another may have got its pid. */
async function holderOf({ instance, identity }: MachineSpec): Promise<ProcessIdentity | undefined> {
  const held = await readHeldRun(instance.run);
  const stat = parseProcessStat((await readIfThere(`/proc/${identity.pid}/stat`)) ?? "");
  return held !== undefined && stat?.parent === held.holder ? identifyProcess(held.holder) : undefined;
}

function succeed({ instance, cgroup, identity, holder }: KeptSpec, { signal }: Abortable): Promise<Keeper | undefined> {
  // Its program runs already.
  const order = async () => keeperOrder([], instance.config, await accountsOf(identity.pid, cgroup));
  const { run, log } = instance;
  return succeedKeeper({ run, log }, order, { holder, cgroup: ownCgroup(cgroup), signal });
}
