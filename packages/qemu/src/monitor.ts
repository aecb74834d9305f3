import { rm } from "node:fs/promises";
import { dirname } from "node:path";
import { type Abortable, ConnectionError, ProtocolError } from "@pileus/core";
import { isDiskFull, type Lock, linkSignals, makeFolders, tryLock } from "@pileus/core/driver";
import { QmpBusyError, QmpClient } from "./qmp/index.ts";

/** How long the first free monitor may take to greet before others are tried, in milliseconds. It takes a few. */
const FIRST_GREETING = 1000;

/**
 * How many are tried when the first does not greet soon. Processes of earlier releases hold at most four, without a claim.
 * More would only be kept from others that come meanwhile.
 */
const TRIED = 5;

export interface MonitorOptions extends Abortable {
  /**
   * The beginning of the paths of the claims on the monitors: each is a lock, which ends with the process that holds the
   * monitor. So nobody waits for the greeting of a monitor that is taken. Processes of earlier releases have no claims.
   */
  readonly claims: string;
  /** How long a monitor may take to greet, in milliseconds. Default 5000. */
  readonly greetingTimeout?: number | undefined;
}

/** A monitor that no other process of this release holds. */
interface Free {
  readonly path: string;
  /** The claim on it. Absent on a full disk, which has no file for a claim. */
  readonly lock?: Lock | undefined;
}

/**
 * Connects to the first of a machine's monitors that is free. If that does not greet soon, tries the first few that are free.
 *
 * @throws {ConnectionError} when none is free: other clients hold them, or nothing listens. @throws {ProtocolError}
 * when the listener is not a monitor.
 */
export async function connectMonitor(paths: readonly string[], options: MonitorOptions): Promise<QmpClient> {
  const { claims, signal, greetingTimeout } = options;
  makeFolders(dirname(claims), 0o700);
  const [first] = await claimFree(paths, claims, 1);
  if (first !== undefined) {
    const limits = { signal, greetingTimeout: Math.min(FIRST_GREETING, greetingTimeout ?? FIRST_GREETING) };
    try {
      return await hold(first, limits);
    } catch {
      signal?.throwIfAborted();
    }
  }
  return connectAny(await claimFree(paths, claims, TRIED), paths, options);
}

async function claimFree(paths: readonly string[], claims: string, most: number): Promise<readonly Free[]> {
  const free: Free[] = [];
  try {
    for (const [number, path] of paths.entries()) {
      if (free.length === most) break;
      const claimed = await claim(claimOf(claims, number));
      if (claimed !== undefined) free.push({ path, ...claimed });
    }
    return free;
  } catch (error) {
    await Promise.all(free.map(retire));
    throw error;
  }
}

/** Claims a monitor; `undefined` if another process has it. */
async function claim(path: string): Promise<Pick<Free, "lock"> | undefined> {
  try {
    const lock = await tryLock(path);
    return lock && { lock };
  } catch (error) {
    if (isDiskFull(error)) return {};
    throw error;
  }
}

/** Gives a claim back. A delete of the instance may have removed the file. */
async function retire({ lock }: Free): Promise<void> {
  await lock?.retire().catch(() => undefined);
}

/** Connects, and has the claim until the connection ends. */
async function hold(free: Free, options: Omit<MonitorOptions, "claims">): Promise<QmpClient> {
  try {
    const client = await QmpClient.connect(free.path, options);
    void client.closed.then(() => retire(free));
    return client;
  } catch (error) {
    await retire(free);
    throw error;
  }
}

async function connectAny(
  free: readonly Free[],
  paths: readonly string[],
  { signal, greetingTimeout }: MonitorOptions,
): Promise<QmpClient> {
  const [peer = "monitor"] = paths;
  if (free.length === 0)
    throw new ConnectionError(peer, `other processes hold all ${paths.length} monitors of the machine`);
  using losers = linkSignals(signal);
  const attempts = free.map((monitor) => hold(monitor, { signal: losers.signal, greetingTimeout }));
  try {
    const winner = await Promise.any(attempts);
    losers.abort(new Error("another monitor answered first"));
    for (const attempt of attempts) {
      void attempt.then(
        (client) => (client === winner ? undefined : client.close()),
        () => undefined,
      );
    }
    return winner;
  } catch (error) {
    signal?.throwIfAborted();
    const failures: readonly unknown[] = error instanceof AggregateError ? error.errors : [error];
    const silent = failures.find((failure) => failure instanceof QmpBusyError);
    if (silent !== undefined) throw new ConnectionError(peer, SILENT, { cause: silent });
    const wrong = failures.find((failure) => failure instanceof ProtocolError);
    if (wrong !== undefined) throw wrong;
    throw new ConnectionError(peer, "no monitor answers", { cause: failures[0] });
  }
}

const SILENT = "no monitor greets: QEMU is stopped or hangs, or processes of an earlier release hold its monitors";

function claimOf(claims: string, number: number): string {
  return `${claims}.monitor${number}`;
}

/** Removes the claims that dead processes have left on this many monitors. */
export async function removeMonitorClaims(claims: string, monitors: number): Promise<void> {
  for (let number = 0; number < monitors; number++) await rm(claimOf(claims, number), { force: true });
}
