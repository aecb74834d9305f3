import { mkdir, readdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Abortable } from "@pileus/core";
import { acquireLock, type Lock, type ProcessIdentity, tryLock } from "@pileus/core/driver";

/**
 * The right to a guest's agent, which one process has at a time: QEMU serves one client of a port, and lets others wait without a
 * word. It is a lock, which goes with its process.
 */
export class PortClaim implements AsyncDisposable {
  readonly #path: string;
  #lock: Lock | undefined;

  private constructor(path: string, lock: Lock | undefined) {
    this.#path = path;
    this.#lock = lock;
  }

  /** Takes it if it is free. The file at `path` stands for it, and is made. */
  static async open(path: string): Promise<PortClaim> {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    return new PortClaim(path, await tryLock(path));
  }

  /** Whether it is ours. */
  get held(): boolean {
    return this.#lock !== undefined;
  }

  /** Resolves when it is ours, however long another process has it. */
  async wait(options: Abortable): Promise<void> {
    this.#lock ??= await acquireLock(this.#path, options);
  }

  /** Lets others have it; the last one leaves no file. Never rejects: a file that cannot be removed is in nobody's way. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lock?.retire().catch(() => undefined);
    this.#lock = undefined;
  }
}

/** Where the claim on the agent of one run is: who learns late that it ended is in nobody's way in the next. */
export function claimPath(folder: string, uuid: string, run: ProcessIdentity): string {
  return join(folder, `${uuid}-${run.pid}-${run.startTime}.lock`);
}

/** Removes what processes left that died with a claim on the agent of an instance. */
export async function removeClaims(folder: string, uuid: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const name of await readdir(folder)) {
    if (name.startsWith(`${uuid}-`)) await rm(join(folder, name), { force: true });
  }
}
