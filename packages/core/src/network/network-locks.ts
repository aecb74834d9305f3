import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Abortable } from "../flow/abortable.ts";
import { foldersIn } from "../system/folder-entries.ts";
import { acquireLockWithin, type Lock } from "../system/lock.ts";
import { networkLock } from "./sweep.ts";

/** How long a call waits for others that have a lock, in milliseconds: `docs/contract.md`. */
const LOCK_TIMEOUT = 120_000;

export interface NetworkLocksOptions {
  /** `root/networks`. */
  readonly folder: string;
  /** The folder with the machine's lock. */
  readonly runFolder: string;
  /** In milliseconds. Default two minutes. */
  readonly timeout?: number | undefined;
}

/** The locks of the networks of a root, and the one that all roots of the machine share. */
export class NetworkLocks {
  readonly #folder: string;
  readonly #runFolder: string;
  readonly #timeout: number;

  constructor({ folder, runFolder, timeout = LOCK_TIMEOUT }: NetworkLocksOptions) {
    this.#folder = folder;
    this.#runFolder = runFolder;
    this.#timeout = timeout;
  }

  /**
   * Runs `work` while no other call in any process changes the network. @throws {TimeoutError} that names the lock's file,
   * when another call has had it for too long
   */
  async onNetwork<T>(name: string, { signal }: Abortable, work: (lock: Lock) => Promise<T>): Promise<T> {
    const path = networkLock(this.#folder, name);
    const lock = await acquireLockWithin(path, this.#timeout, { what: `network "${name}"`, signal });
    try {
      return await work(lock);
    } finally {
      await (existsSync(join(this.#folder, name)) ? lock.release() : lock.retire());
    }
  }

  /**
   * Lets the roots of the machine work one after the other: if two choose a network or a bridge's name at once, the
   * second sees the first one's. While this root has networks the lock's file stays, because a full file system has none
   * for the deletion of one. @throws {TimeoutError} as {@link onNetwork}
   */
  async onMachine<T>({ signal }: Abortable, work: () => Promise<T>): Promise<T> {
    const path = join(this.#runFolder, "pileus-network.lock");
    const lock = await acquireLockWithin(path, this.#timeout, { what: "the networks of this machine", signal });
    try {
      return await work();
    } finally {
      const stays = await foldersIn(this.#folder).then(
        (networks) => networks.length > 0,
        () => true,
      );
      await (stays ? lock.release() : lock.retire());
    }
  }
}
