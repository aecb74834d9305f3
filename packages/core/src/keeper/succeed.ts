import { existsSync } from "node:fs";
import { join } from "node:path";
import { isInstanceError } from "../errors/all.ts";
import { acquireLock } from "../system/lock.ts";
import { isAlive, type ProcessIdentity, signalProcess, waitForEnd } from "../system/process-identity.ts";
import { keeperSocket } from "./connection.ts";
import { livingKeeper, readHeldRun } from "./held-run.ts";
import { findKeeper, type Keeper } from "./keeper.ts";
import { type KeeperFolders, type ResumeKeeperOptions, resumeKeeper } from "./launch.ts";
import type { KeeperOrder } from "./order.ts";

/** Options of {@link succeedKeeper}. */
export interface SucceedKeeperOptions extends ResumeKeeperOptions {
  /** The parent of the program, which holds the streams. */
  readonly holder: ProcessIdentity;
}

/** How long a killed keeper may take to end, in milliseconds. On a busy machine 260 were seen. */
const DYING_TIME = 3000;

/**
 * The next keeper of a run whose keeper was killed. Every process that holds the run has seen that end: the first that
 * calls starts the keeper, and the others find it. `undefined` when the run has ended: nobody holds its streams. An abort
 * does not end a keeper that was started.
 *
 * @throws {ConnectionError} when the keeper cannot be reached, but lives. @throws a system error when the next one cannot be
 * started.
 */
export async function succeedKeeper(
  folders: KeeperFolders,
  order: () => KeeperOrder | Promise<KeeperOrder>,
  { holder, ...options }: SucceedKeeperOptions,
): Promise<Keeper | undefined> {
  const { events, signal } = options;
  await using _lock = await acquireLock(join(folders.run, "keeper.lock"), { signal });
  let failure: unknown;
  try {
    const found = await findKeeper(folders.run, events, { signal });
    if (found.state.holder === holder.pid) return found;
    // That of the next run, which another process has begun.
    found.detach();
    return undefined;
  } catch (error) {
    if (!isInstanceError(error, "ERR_CONNECTION")) throw error;
    failure = error;
  }
  const held = await readHeldRun(folders.run);
  if (held === undefined || held.holder !== holder.pid || !(await isAlive(holder))) return undefined;
  const living = await livingKeeper(folders.run);
  if (living !== undefined) {
    // Somebody has removed its socket: nobody can reach it any more.
    if (!existsSync(keeperSocket(folders.run))) await signalProcess(living, "SIGKILL");
    // A process that is killed closes its sockets some time before it ends.
    await waitForEnd(living, { signal, timeout: DYING_TIME }).catch(() => {
      signal?.throwIfAborted();
      // Two of them would share out what is printed.
      throw failure;
    });
  }
  return await resumeKeeper(folders, await order(), held, { ...options, signal: undefined });
}
