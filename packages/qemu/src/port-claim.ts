import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import type { Abortable } from "@pileus/core";
import { acquireLock, type Lock, tryLock } from "@pileus/core/driver";

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

  /** Lets others have it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lock?.release();
    this.#lock = undefined;
  }
}
