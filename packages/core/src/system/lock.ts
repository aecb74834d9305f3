import { closeSync, constants, fstatSync, openSync, rmSync, statSync } from "node:fs";
import type { Abortable } from "../flow/abortable.ts";
import { Deadline } from "../flow/deadline.ts";
import { type Spawn, spawn } from "./spawn.ts";
import { flock } from "./syscall.ts";

/** Options of {@link acquireLock}. An abort ends the wait. */
export interface LockOptions extends Abortable {
  /** Default `exclusive`. */
  readonly mode?: "exclusive" | "shared" | undefined;
  /**
   * Whether disposing also removes the lock's file: for something that is locked only once in a while. Default false.
   */
  readonly retire?: boolean | undefined;
}

/** A held kernel lock. The kernel releases it when the process dies, however it dies. */
export interface Lock extends AsyncDisposable {
  /**
   * The open file that has the lock. A tool that inherits it keeps the lock from others until the tool has ended, even
   * after the death of this process.
   */
  readonly descriptor: number;
  /** Releases the lock. Idempotent. Disposing does the same, or retires the lock: see {@link LockOptions.retire}. */
  release(): Promise<void>;
  /** Removes the lock's file, then releases the lock. Only with an exclusive lock. Idempotent. */
  retire(): Promise<void>;
}

/**
 * Takes the lock of the file at `path`, and waits for as long as another holder has it. Creates the file if it is
 * missing. The other holder can be this process too: each call opens the file anew, and flock(2) works between open
 * files.
 *
 * Without contention no process is started. With contention, a child `flock(1)` waits on our open file, which it
 * inherits: the wait costs nothing, and an abort ends it at once.
 */
export async function acquireLock(path: string, options: LockOptions = {}): Promise<Lock> {
  const mode = options.mode ?? "exclusive";
  for (;;) {
    options.signal?.throwIfAborted();
    const file = openLockFile(path);
    try {
      if (!flock(file, mode)) await waitForLock(file, mode, options);
      if (isStillAt(file, path)) return heldLock(file, path, options.retire);
    } catch (error) {
      closeSync(file);
      throw error;
    }
    // The former holder removed the file while we waited: our lock is on a deleted file.
    closeSync(file);
  }
}

/**
 * As {@link acquireLock}, but waits no longer than `timeout` milliseconds: who holds the lock may have been stopped.
 *
 * @throws {TimeoutError} that names the lock's file and says how to find who holds it
 */
export async function acquireLockWithin(
  path: string,
  timeout: number,
  { what, signal, ...options }: LockOptions & { readonly what: string },
): Promise<Lock> {
  using deadline = new Deadline({
    action: `waiting for other calls on ${what}`,
    timeout,
    signal,
    hint: `another process has locked ${path} and does not react: find it with fuser ${path}, and end it`,
  });
  return await acquireLock(path, { ...options, signal: deadline.signal });
}

/** Runs tools that inherit the lock: see {@link Lock.descriptor}. They have it as their descriptor 3. */
export function spawnUnder(lock: Lock, run: Spawn = spawn): Spawn {
  return (argv, options) => run(argv, { ...options, descriptors: [lock.descriptor] });
}

/** Takes the lock if it is free, without waiting; else returns `undefined`. */
export async function tryLock(path: string): Promise<Lock | undefined> {
  const file = openLockFile(path);
  try {
    if (flock(file, "exclusive") && isStillAt(file, path)) return heldLock(file, path);
  } catch (error) {
    closeSync(file);
    throw error;
  }
  closeSync(file);
  return undefined;
}

/** Whether the lock is held exclusively. Creates no file. */
export function isHeld(path: string): boolean {
  const file = openIfThere(path);
  if (file === undefined) return false;
  try {
    return !flock(file, "shared");
  } finally {
    closeSync(file);
  }
}

/** Waits until the lock is not held exclusively. Returns at once when the file does not exist. */
export async function untilFree(path: string, options: Abortable = {}): Promise<void> {
  const file = openIfThere(path);
  if (file === undefined) return;
  try {
    if (!flock(file, "shared")) await waitForLock(file, "shared", options);
  } finally {
    closeSync(file);
  }
}

async function waitForLock(file: number, mode: "exclusive" | "shared", { signal }: Abortable): Promise<void> {
  await spawn(["flock", `--${mode}`, "3"], { descriptors: [file], diesWithUs: true, signal });
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, constants.O_RDWR | constants.O_NOFOLLOW);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function openLockFile(path: string): number {
  return openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
}

function isStillAt(file: number, path: string): boolean {
  const mine = fstatSync(file);
  const there = statSync(path, { throwIfNoEntry: false });
  return there !== undefined && there.ino === mine.ino && there.dev === mine.dev;
}

function heldLock(file: number, path: string, retireOnDispose = false): Lock {
  let held = true;
  const release = async () => {
    if (!held) return;
    held = false;
    closeSync(file);
  };
  const retire = async () => {
    try {
      // It may be gone already, with its folder, and another in its place.
      if (held && isStillAt(file, path)) rmSync(path, { force: true });
    } finally {
      await release();
    }
  };
  return { descriptor: file, release, retire, [Symbol.asyncDispose]: retireOnDispose ? retire : release };
}
