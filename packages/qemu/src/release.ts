import { statSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { acquireLock, type InstanceContext, type Lock, removeInterface } from "@pileus/core/driver";
import { runFiles, socketsOf } from "./run-files.ts";

/** What of a machine must be known to clean up after it. */
export interface ReleaseSpec {
  readonly instance: InstanceContext;
  /** The file of the lock that is held by whoever gives back what a run held. */
  readonly releaseLock: string;
}

/** Gives back what a machine that has ended held on the host. Idempotent. */
export async function releaseMachine(spec: ReleaseSpec): Promise<void> {
  await using _turn = await takeTurn(spec);
  await releaseHost(spec.instance);
}

/**
 * The same for one run that has ended. Nothing where another process that held it, too, has done so: what is there under the same
 * names may be the next run's.
 */
export async function releaseRun(spec: ReleaseSpec, mark: string | undefined): Promise<void> {
  await using _turn = await takeTurn(spec);
  if (mark !== undefined && markOf(spec.instance) === mark) await releaseHost(spec.instance);
}

/** Tells a run from a later one by its console's socket, which is made anew for each; `undefined` where there is none. */
export function markOf(instance: InstanceContext): string | undefined {
  const found = statSync(runFiles(instance).console, { bigint: true, throwIfNoEntry: false });
  // The time, too: a number of a file that was removed is given to the next.
  return found === undefined ? undefined : `${found.ino} ${found.ctimeNs}`;
}

/** One process at a time, so that a run of which one has begun to give back everything is over for the others when it has. */
async function takeTurn({ releaseLock }: ReleaseSpec): Promise<Lock> {
  await mkdir(dirname(releaseLock), { recursive: true, mode: 0o700 });
  return await acquireLock(releaseLock, { retire: true });
}

async function releaseHost(instance: InstanceContext): Promise<void> {
  const files = runFiles(instance);
  // First: from here on it is nobody's run, should a step below fail, too.
  await rm(files.console, { force: true });
  for (const nic of instance.nics) await removeInterface(nic.hostInterface);
  for (const path of socketsOf(files)) await rm(path, { force: true });
}
