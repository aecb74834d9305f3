import { existsSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import {
  acquireLock,
  type Lock,
  makeFolders,
  readCgroupLayout,
  removeInterface,
  signalProcess,
  spawnUnder,
  unmountBelow,
  waitForEnd,
} from "@pileus/core/driver";
import { removeCgroups } from "./cgroups.ts";
import type { ContainerSpec } from "./container-spec.ts";
import { removeEmptyFolder } from "./empty-folder.ts";
import { monitors } from "./monitor.ts";
import { containerPaths, type PlacedSpec } from "./paths.ts";
import { closeRoot, removeRoot } from "./root.ts";

/** What must be known about a container to clean up after it. */
export type ReleaseSpec = PlacedSpec & Pick<ContainerSpec, "nics">;

/**
 * Kills what still runs of a container, and gives back what a run holds on the host: mounts, cgroups, interfaces,
 * liblxc's lock. Idempotent. The container's files stay.
 */
export async function releaseContainer(spec: ReleaseSpec): Promise<void> {
  for (const monitor of await monitors(spec)) {
    await signalProcess(monitor, "SIGKILL");
    await waitForEnd(monitor);
  }
  if (mayHaveRun(spec)) await underReleaseLock(spec, (lock) => releaseHost(spec, lock));
}

/** Releases the container and removes its root. Idempotent. Needs no root rights if neither was ever made. */
export async function removeContainer(spec: ReleaseSpec): Promise<void> {
  const hasRun = mayHaveRun(spec);
  if (!hasRun && !existsSync(spec.root.folder)) return;
  if (hasRun) await releaseContainer(spec);
  await removeRoot(spec);
}

/**
 * Releases one run whose monitor has ended. Does nothing if another process that held the run has already done so:
 * files of the same names may then belong to the next run.
 */
export async function releaseRun(spec: ReleaseSpec, mark: string | undefined): Promise<void> {
  if (mark === undefined || !mayHaveRun(spec)) return;
  await underReleaseLock(spec, async (lock) => {
    if (markOf(spec) === mark) await releaseHost(spec, lock);
  });
}

/**
 * Whether anything may be left of a run. The lock and the folder are the first that a run makes, and the last that go: its
 * mounts keep the folder there.
 */
function mayHaveRun(spec: PlacedSpec): boolean {
  const { lxcpath, releaseLock } = containerPaths(spec);
  return existsSync(lxcpath) || existsSync(releaseLock);
}

/**
 * A mark that tells a run from a later one, taken from its configuration file: each run writes a new one. `undefined`
 * if there is none.
 */
export function markOf(spec: PlacedSpec): string | undefined {
  const found = statSync(containerPaths(spec).config, { bigint: true, throwIfNoEntry: false });
  // The inode number alone would not do: a new file may get the number of a removed one.
  return found === undefined ? undefined : `${found.ino} ${found.ctimeNs}`;
}

/**
 * Lets one process release at a time. When it has finished, the others see that the run is gone. The lock's file goes with
 * the run's folder; until then it stays, because a full file system has none for another attempt.
 */
async function underReleaseLock(spec: PlacedSpec, work: (lock: Lock) => Promise<void>): Promise<void> {
  const { lxcpath, releaseLock } = containerPaths(spec);
  makeFolders(dirname(releaseLock), 0o711);
  const lock = await acquireLock(releaseLock);
  try {
    await work(lock);
  } finally {
    await (existsSync(lxcpath) ? lock.release() : lock.retire());
  }
}

/** Its tools hold the lock, too: they may outlive this process. */
async function releaseHost(spec: ReleaseSpec, held: Lock): Promise<void> {
  const { config, init, lock, lxcpath } = containerPaths(spec);
  // First, so that no other process takes the run for its own, even if a step below fails.
  rmSync(dirname(config), { recursive: true, force: true });
  await removeCgroups(readCgroupLayout(), spec);
  // A veth ends with either of its ends: one is left only while the kernel still takes the container's namespace down.
  for (const { hostInterface } of spec.nics) await removeInterface(hostInterface, { spawn: spawnUnder(held) });
  await closeRoot(spec);
  await unmountBelow(init);
  rmSync(lock, { force: true });
  for (const folder of [init, dirname(lock), lxcpath]) removeEmptyFolder(folder);
}
