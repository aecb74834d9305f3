import { onAbort } from "../flow/deadline.ts";
import { endsWithin, identifyProcess, type ProcessIdentity } from "../system/process-identity.ts";
import type { KeeperExit } from "./exit-record.ts";
import type { Keeper } from "./keeper.ts";

/** Between two attempts to have the next keeper, and between two successors at least, in milliseconds. */
const PAUSE = 1000;

/** Options of {@link followKeeper}. */
export interface FollowKeeperOptions {
  /** The parent of the program, which holds the streams: {@link identifyHolder}. */
  readonly holder: ProcessIdentity;
  /** Finds or starts the next keeper, as `succeedKeeper()` does. Stops to look when `signal` aborts. */
  readonly next: (signal: AbortSignal) => Promise<Keeper | undefined>;
  /** Called with each keeper that the run has from now on. */
  readonly held?: (keeper: Keeper) => void;
  /** Its abort detaches the keeper; the run goes on. */
  readonly signal: AbortSignal;
}

/**
 * Stays with a run from keeper to keeper: one that is killed gets a successor, as soon as one can be started. For example,
 * the disk may be full now. `first`: the present keeper; `undefined` if it does not answer, and is to be waited for. A
 * successor that dies at once has the next one a second after it came.
 *
 * Resolves with how the run ended; with `undefined` when no keeper could tell and nobody holds the streams any more, or
 * after the abort. Never rejects.
 */
export async function followKeeper(
  first: Keeper | undefined,
  { holder, next, held, signal }: FollowKeeperOptions,
): Promise<KeeperExit | undefined> {
  const find = async () => {
    while (!signal.aborted) {
      const found = await next(signal).catch(() => undefined);
      if (found !== undefined || (await endsWithin(holder, PAUSE))) return found;
    }
    return undefined;
  };
  let keeper = first ?? (await find());
  let since: number | undefined;
  while (keeper !== undefined) {
    const present = keeper;
    const stop = onAbort(signal, () => present.detach());
    held?.(keeper);
    const exit = await keeper.exit;
    stop();
    if (exit !== undefined || signal.aborted) return exit;
    // It was killed.
    if (since !== undefined) await successorIsDue(holder, since);
    keeper = await find();
    since = performance.now();
  }
  return undefined;
}

/**
 * Resolves when a successor that came at this time (`performance.now()`) and has died may have the next one: a second
 * later, or at the end of the holder. So keepers that die at once, each for the same reason, keep no processor busy.
 */
export async function successorIsDue(holder: ProcessIdentity, since: number): Promise<void> {
  const left = since + PAUSE - performance.now();
  if (left > 0) await endsWithin(holder, left);
}

/**
 * The holder of a run. One that has ended already has no identity: nothing can be sent to what is returned. If it cannot
 * be identified, the keeper is detached.
 *
 * @throws a system error, for example when no descriptor is free.
 */
export async function identifyHolder(keeper: Pick<Keeper, "state" | "detach">): Promise<ProcessIdentity> {
  const pid = keeper.state.holder;
  try {
    return (await identifyProcess(pid)) ?? { pid, startTime: 0, boot: "" };
  } catch (error) {
    keeper.detach();
    throw error;
  }
}
