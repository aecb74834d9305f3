import { constants } from "node:fs";
import { type FileHandle, open, stat, unlink } from "node:fs/promises";
import type { Abortable } from "../contract/abortable.ts";
import { spawn } from "../system/spawn.ts";
import { flock } from "../system/syscall.ts";

/** Options of {@link acquireLock}. An abort ends the wait. */
export interface LockOptions extends Abortable {
  /** Default `exclusive`. */
  readonly mode?: "exclusive" | "shared" | undefined;
  /** Whether disposing removes the lock's file, too: for a turn at something that needs no lock between turns. Default false. */
  readonly retire?: boolean | undefined;
}

/** A kernel lock that is held. The kernel drops it when the process dies, however it dies. */
export interface Lock extends AsyncDisposable {
  /** Lets go. Idempotent. So does disposing, or it retires: what {@link LockOptions} says. */
  release(): Promise<void>;
  /** Removes the lock's file, then lets go: nobody needs it any more. Only with an exclusive lock. Idempotent. */
  retire(): Promise<void>;
}

/**
 * Takes the lock that the file at `path` stands for, waiting for as long as another holds it; makes the file where it
 * is missing. The holder can be this process too: each call has its own open file, and flock(2) is between open files.
 *
 * Without contention no process is started. With it, a child `flock(1)` waits on our own open file, handed down, so
 * that the wait costs nothing and an abort ends it at once.
 */
export async function acquireLock(path: string, options: LockOptions = {}): Promise<Lock> {
  const mode = options.mode ?? "exclusive";
  for (;;) {
    options.signal?.throwIfAborted();
    const file = await openLockFile(path);
    try {
      if (!flock(file.fd, mode)) await waitForLock(file, mode, options);
      if (await isStillAt(file, path)) return heldLock(file, path, options.retire);
    } catch (error) {
      await file.close();
      throw error;
    }
    // Its former holder retired the file while we waited: what we hold is a lock on nothing.
    await file.close();
  }
}

/** Takes the lock if nobody holds it, without waiting; `undefined` if somebody does. */
export async function tryLock(path: string): Promise<Lock | undefined> {
  const file = await openLockFile(path);
  try {
    if (flock(file.fd, "exclusive") && (await isStillAt(file, path))) return heldLock(file, path);
  } catch (error) {
    await file.close();
    throw error;
  }
  await file.close();
  return undefined;
}

/** Whether anybody holds the lock exclusively. Makes no file. */
export async function isHeld(path: string): Promise<boolean> {
  const file = await openIfThere(path);
  if (file === undefined) return false;
  try {
    return !flock(file.fd, "shared");
  } finally {
    await file.close();
  }
}

/** Waits until nobody holds the lock exclusively: at once where there is no such file. */
export async function untilFree(path: string, options: Abortable = {}): Promise<void> {
  const file = await openIfThere(path);
  if (file === undefined) return;
  try {
    if (!flock(file.fd, "shared")) await waitForLock(file, "shared", options);
  } finally {
    await file.close();
  }
}

async function waitForLock(file: FileHandle, mode: "exclusive" | "shared", { signal }: Abortable): Promise<void> {
  await spawn(["flock", `--${mode}`, "3"], { descriptors: [file.fd], diesWithUs: true, signal });
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDWR | constants.O_NOFOLLOW);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function openLockFile(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
}

async function isStillAt(file: FileHandle, path: string): Promise<boolean> {
  const mine = await file.stat();
  try {
    const there = await stat(path);
    return there.ino === mine.ino && there.dev === mine.dev;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

function heldLock(file: FileHandle, path: string, retireOnDispose = false): Lock {
  let held = true;
  const release = async () => {
    if (!held) return;
    held = false;
    await file.close();
  };
  const retire = async () => {
    try {
      if (held) await unlink(path);
    } finally {
      await release();
    }
  };
  return { release, retire, [Symbol.asyncDispose]: retireOnDispose ? retire : release };
}
