import { mkdir, readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Abortable } from "@pileus/core";
import { acquireLock, type Lock, type ProcessIdentity, tryLock } from "@pileus/core/driver";

/**
 * The right to a guest's agent. One process has it at a time: QEMU serves one client of a port, and lets others wait
 * without an answer. It is a lock, which ends with its process.
 */
export class PortClaim implements AsyncDisposable {
  readonly #path: string;
  #lock: Lock | undefined;

  private constructor(path: string, lock: Lock | undefined) {
    this.#path = path;
    this.#lock = lock;
  }

  /** Takes the claim if it is free. Creates the lock file at `path`. */
  static async open(path: string): Promise<PortClaim> {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    return new PortClaim(path, await tryLock(path));
  }

  /** Whether this process has the claim. */
  get held(): boolean {
    return this.#lock !== undefined;
  }

  /** Resolves when this process has the claim, however long another process keeps it. */
  async wait(options: Abortable): Promise<void> {
    this.#lock ??= await acquireLock(this.#path, options);
  }

  /** Gives the claim up; the last holder leaves no file. Never rejects: a file that cannot be removed does no harm. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lock?.retire().catch(() => undefined);
    this.#lock = undefined;
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
