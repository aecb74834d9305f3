import { readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Abortable, ConnectionError } from "@pileus/core";
import {
  acquireLock,
  isHeld,
  type Lock,
  linkSignals,
  makeFolders,
  type ProcessIdentity,
  tryLock,
} from "@pileus/core/driver";

/** The right to a port of a guest's agent, while this process has it. */
export interface HeldPort {
  /** Its number, from 0. */
  readonly number: number;
  /** Whether another process waits for a port. */
  isWanted(): boolean;
  /** Gives it up; the last holder leaves no file. Never rejects: a file that cannot be removed does no harm. */
  release(): Promise<void>;
}

/** Gives the machine the port with this number. Resolves with whether the machine has it, also if it had it before. */
export type PlugPort = (number: number) => Promise<boolean>;

/** The ports that a machine can have. */
export interface PortSupply {
  readonly all: number;
  /** How many it certainly has. Default: all. */
  readonly first?: number | undefined;
  readonly plug?: PlugPort | undefined;
}

/**
 * The rights to the ports of a guest's agent. One process has a port at a time: QEMU serves one client of a port, and
 * lets others wait without an answer. Each right is a lock, which ends with its process. One more lock is the head of
 * the queue for when all are taken: who has it is the next, and the holders see by it that somebody waits.
 */
export class PortClaims {
  readonly #paths: readonly string[];
  readonly #queue: string;
  readonly #plug: PlugPort;
  /** The ports that the machine is known to have. */
  readonly #plugged: Set<number>;

  /** `path`: of the first port's lock. The others, and the queue, lie beside it. */
  constructor(path: string, { all, first = all, plug = async () => false }: PortSupply) {
    this.#queue = `${path}.next`;
    this.#paths = Array.from({ length: all }, (_, number) => (number === 0 ? path : `${path}.${number}`));
    this.#plug = plug;
    this.#plugged = new Set(Array.from({ length: Math.min(all, first) }, (_, number) => number));
  }

  /** Resolves when this process has a port, however long other processes keep all. */
  async take(options: Abortable): Promise<HeldPort> {
    const free = await this.tryTake();
    if (free !== undefined) return free;
    const turn = await acquireLock(this.#queue, options);
    try {
      return (await this.#firstFree()) ?? (await this.#nextFree(options));
    } finally {
      await retire(turn);
    }
  }

  /** Takes a port if one is free and no process waits for one. */
  async tryTake(): Promise<HeldPort | undefined> {
    makeFolders(dirname(this.#queue), 0o700);
    return isHeld(this.#queue) ? undefined : this.#firstFree();
  }

  async #firstFree(): Promise<HeldPort | undefined> {
    let canPlug = true;
    for (const [number, path] of this.#paths.entries()) {
      if (!canPlug && !this.#plugged.has(number)) continue;
      const lock = await tryLock(path);
      if (lock === undefined) continue;
      try {
        if (await this.#has(number)) return this.#hold(number, lock);
      } catch {
        // The monitor does not answer: each further attempt would take as long.
        canPlug = false;
      }
      await retire(lock);
    }
    return undefined;
  }

  /** Whether the machine has the port, plugged now if it was not. Rejects when that cannot be told. */
  async #has(number: number): Promise<boolean> {
    if (this.#plugged.has(number)) return true;
    if (!(await this.#plug(number))) return false;
    this.#plugged.add(number);
    return true;
  }

  /**
   * Waits for all ports that the machine has, by what this process knows or another holds; takes the first, and leaves
   * those that become free at the same time.
   */
  async #nextFree({ signal }: Abortable): Promise<HeldPort> {
    using others = linkSignals(signal);
    const there = [...this.#paths.entries()].filter(([number, path]) => this.#plugged.has(number) || isHeld(path));
    const waits = there.map(async ([number, path]) => {
      const lock = await acquireLock(path, { signal: others.signal });
      if (await this.#has(number).catch(() => false)) return this.#hold(number, lock);
      await retire(lock);
      throw new ConnectionError(path, "the machine has no such port");
    });
    try {
      const first = await Promise.any(waits);
      others.abort(new Error("another port is free"));
      for (const wait of waits)
        void wait.then((port) => (port === first ? undefined : port.release())).catch(() => undefined);
      return first;
    } catch (error) {
      signal?.throwIfAborted();
      throw error instanceof AggregateError ? error.errors[0] : error;
    }
  }

  #hold(number: number, lock: Lock): HeldPort {
    return {
      number,
      isWanted: () => isHeld(this.#queue),
      release: () => retire(lock),
    };
  }
}

/** A delete of the instance may have removed the file. */
function retire(lock: Lock): Promise<void> {
  return lock.retire().catch(() => undefined);
}

/**
 * The path of the claims on the agent of one run. Each run has its own: a process that learns late of the end of a run
 * does not block the next one.
 */
export function claimPath(folder: string, uuid: string, run: ProcessIdentity): string {
  return join(folder, `${uuid}-${run.pid}-${run.startTime}.lock`);
}

/** Removes the claims on the agent of an instance that dead processes have left. */
export async function removeClaims(folder: string, uuid: string): Promise<void> {
  makeFolders(folder, 0o700);
  for (const name of await readdir(folder)) {
    if (name.startsWith(`${uuid}-`)) await rm(join(folder, name), { force: true });
  }
}
