import { statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { dirname } from "node:path";
import {
  acquireLock,
  type InstanceContext,
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
  await using lock = await lockRelease(spec);
  await releaseHost(spec, lock);
}

/**
 * The same for one run that has ended. Does nothing if another process that held the run has already done so: files of
 * the same names may then belong to the next run.
 */
export async function releaseRun(spec: ReleaseSpec, mark: string | undefined): Promise<void> {
  await using lock = await lockRelease(spec);
  if (mark !== undefined && markOf(spec.instance) === mark) await releaseHost(spec, lock);
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

/** Lets one process release at a time. When it has finished, the others see that the run is gone. */
async function lockRelease({ releaseLock }: ReleaseSpec): Promise<Lock> {
  makeFolders(dirname(releaseLock), 0o700);
  return await acquireLock(releaseLock, { retire: true });
}

/** Its tools hold the lock, too: they may outlive this process. */
async function releaseHost({ instance, cgroup }: ReleaseSpec, lock: Lock): Promise<void> {
  const files = runFiles(instance);
  // First, so that no other process takes the run for its own, even if a step below fails.
  await rm(markFile(files), { force: true });
  await removeOwnCgroup(cgroup);
  for (const nic of instance.nics) await removeInterface(nic.hostInterface, { spawn: spawnUnder(lock) });
  for (const path of socketsOf(files)) await rm(path, { force: true });
}
