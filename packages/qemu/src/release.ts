import { closeSync, constants, openSync, statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { dirname } from "node:path";
import {
  acquireLock,
  type InstanceContext,
  isDiskFull,
  type Lock,
  makeFolders,
  removeInterface,
  removeOwnCgroup,
  spawnUnder,
} from "@pileus/core/driver";
import { type RunFiles, runFiles, socketsOf } from "./run-files.ts";

/** What must be known about a machine to clean up after it. */
export interface ReleaseSpec {
  readonly instance: InstanceContext;
  /** The file of the lock that a process holds while it gives back what a run held. */
  readonly releaseLock: string;
  /** The cgroup of its QEMU. */
  readonly cgroup: string;
}

/** Gives back what a machine that has ended held on the host. Idempotent. */
export async function releaseMachine(spec: ReleaseSpec): Promise<void> {
  await underReleaseLock(spec, (lock) => releaseHost(spec, lock));
}

/**
 * The same for one run that has ended. Does nothing if another process that held the run has already done so: files of
 * the same names may then belong to the next run.
 */
export async function releaseRun(spec: ReleaseSpec, mark: string | undefined): Promise<void> {
  if (mark === undefined || markOf(spec.instance) !== mark) return;
  await underReleaseLock(spec, async (lock) => {
    if (markOf(spec.instance) === mark) await releaseHost(spec, lock);
  });
}

/**
 * A mark that tells a run from a later one, taken from the socket of its first monitor: each run makes a new socket.
 * `undefined` if there is none.
 */
export function markOf(instance: InstanceContext): string | undefined {
  const found = statSync(markFile(runFiles(instance)), { bigint: true, throwIfNoEntry: false });
  // The inode number alone would not do: a new file may get the number of a removed one.
  return found === undefined ? undefined : `${found.ino} ${found.ctimeNs}`;
}

function markFile({ monitors }: RunFiles): string {
  return monitors[0] as string;
}

/**
 * Makes the file of the lock, at the begin of a run: a full file system has none at its end. It goes when the run has been
 * released.
 */
export function prepareRelease({ releaseLock }: ReleaseSpec): void {
  makeFolders(dirname(releaseLock), 0o700);
  closeSync(openSync(releaseLock, constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW, 0o600));
}

/** Lets one process release at a time. When it has finished, the others see that the run is gone. */
async function underReleaseLock(
  { releaseLock }: ReleaseSpec,
  work: (lock: Lock | undefined) => Promise<void>,
): Promise<void> {
  const lock = await lockRelease(releaseLock);
  try {
    await work(lock);
  } catch (error) {
    // The file stays for another attempt.
    await lock?.release();
    throw error;
  }
  await lock?.retire();
}

/** `undefined` if a full disk has no file for it: then no run has made one that is still to be released. */
async function lockRelease(releaseLock: string): Promise<Lock | undefined> {
  try {
    makeFolders(dirname(releaseLock), 0o700);
    return await acquireLock(releaseLock);
  } catch (error) {
    if (isDiskFull(error)) return undefined;
    throw error;
  }
}

/** Its tools hold the lock, too: they may outlive this process. */
async function releaseHost({ instance, cgroup }: ReleaseSpec, lock: Lock | undefined): Promise<void> {
  const files = runFiles(instance);
  // First, so that no other process takes the run for its own, even if a step below fails.
  await rm(markFile(files), { force: true });
  await removeOwnCgroup(cgroup);
  const tool = lock === undefined ? {} : { spawn: spawnUnder(lock) };
  for (const nic of instance.nics) await removeInterface(nic.hostInterface, tool);
  for (const path of socketsOf(files)) await rm(path, { force: true });
}
