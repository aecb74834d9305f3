import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isDiskFull } from "../../system/disk-full.ts";
import { namesIn } from "../../system/folder-entries.ts";
import { hostFailure } from "../../system/host-failure.ts";
import { acquireLock, isHeld, type Lock, tryLock, untilFree } from "../../system/lock.ts";

const OVERTAKER = "overtaker-";

/**
 * The stops of one instance that are under way, marked for every process that uses the root. Each stop holds a lock of
 * its own exclusively. Callers that check or wait take it shared, so they never look like a stop.
 */
export class StopMarks {
  readonly #folder: string;

  /** `folder` holds the marks. It is made for the first one. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * Marks that a stop is under way, until the returned function is called or this process dies. A second call of that
   * function does nothing. The mark of an `overtaker` says that its call waits for the instance's lock, to kill or
   * delete the instance.
   */
  async mark(by: "stop" | "overtaker" = "stop"): Promise<() => Promise<void>> {
    const path = join(this.#folder, `${by === "stop" ? "" : OVERTAKER}${randomUUID()}`);
    let lock: Lock;
    try {
      makeFolder(this.#folder);
      lock = await acquireLock(path);
    } catch (error) {
      // Without the mark other processes see `running` until the instance has ended; that is better than no stop.
      if (isDiskFull(error)) return async () => undefined;
      throw error;
    }
    return async () => {
      try {
        rmSync(path, { force: true });
      } catch {
        // A file that stays without its lock marks nothing.
      }
      await lock.release();
    };
  }

  /**
   * Whether a call waits for the instance's lock, to kill or delete the instance. @throws {HostError} when this process
   * lacks a resource to look.
   */
  isOvertakerWaiting(): boolean {
    if (!existsSync(this.#folder)) return false;
    try {
      const names = readdirSync(this.#folder).filter((name) => name.startsWith(OVERTAKER));
      return names.some((name) => isHeld(join(this.#folder, name)));
    } catch (error) {
      throw hostFailure("see whether another call waits for an instance", error);
    }
  }

  /** Whether any process has marked a stop. */
  async isAnyUnderWay(): Promise<boolean> {
    for (const path of await this.#paths()) {
      if (isHeld(path)) return true;
      // The mark of a dead process. It is removed under its lock: a process that is just creating it then creates it
      // again.
      const dead = await tryLock(path);
      await dead?.retire();
      if (dead === undefined && isHeld(path)) return true;
    }
    return false;
  }

  /** Waits for the end of the stops under way. Not under the instance's lock, which a stop takes at its end. */
  async untilNoneIsUnderWay(signal: AbortSignal): Promise<void> {
    for (const path of await this.#paths()) await untilFree(path, { signal });
  }

  async #paths(): Promise<readonly string[]> {
    return (await namesIn(this.#folder)).map((name) => join(this.#folder, name));
  }
}

// Not recursive: on a full disk that fails with ENOENT (Node 20.20).
function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}
