import { mkdir, readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Abortable } from "@pileus/core";
import { acquireLock, isHeld, type Lock, type ProcessIdentity, tryLock } from "@pileus/core/driver";

/** The right to a guest's agent, while this process has it. */
export interface HeldClaim {
  /** Whether another process waits for it. */
  isWanted(): boolean;
  /** Gives it up; the last holder leaves no file. Never rejects: a file that cannot be removed does no harm. */
  release(): Promise<void>;
}

/**
 * The right to a guest's agent. One process has it at a time: QEMU serves one client of a port, and lets others wait
 * without an answer. It is a lock, which ends with its process. A second lock is the head of the queue: who has it is
 * the next, and the holder sees by it that somebody waits.
 */
export class PortClaim {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** Resolves when this process has the claim, however long other processes keep it. */
  async take(options: Abortable): Promise<HeldClaim> {
    await this.#makeFolder();
    const turn = this.#hold(await acquireLock(this.#queue, options));
    try {
      return this.#hold(await acquireLock(this.#path, options));
    } finally {
      await turn.release();
    }
  }

  /** Takes the claim if no process has it or waits for it. */
  async tryTake(): Promise<HeldClaim | undefined> {
    await this.#makeFolder();
    if (isHeld(this.#queue)) return undefined;
    const lock = await tryLock(this.#path);
    return lock === undefined ? undefined : this.#hold(lock);
  }

  get #queue(): string {
    return `${this.#path}.next`;
  }

  async #makeFolder(): Promise<void> {
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
  }

  #hold(lock: Lock): HeldClaim {
    return {
      isWanted: () => isHeld(this.#queue),
      release: () => lock.retire().catch(() => undefined),
    };
  }
}

/**
 * The path of the claim on the agent of one run. Each run has its own: a process that learns late of the end of a run
 * does not block the next one.
 */
export function claimPath(folder: string, uuid: string, run: ProcessIdentity): string {
  return join(folder, `${uuid}-${run.pid}-${run.startTime}.lock`);
}

/** Removes the claims on the agent of an instance that dead processes have left. */
export async function removeClaims(folder: string, uuid: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const name of await readdir(folder)) {
    if (name.startsWith(`${uuid}-`)) await rm(join(folder, name), { force: true });
  }
}
