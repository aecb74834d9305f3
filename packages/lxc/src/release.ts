import { existsSync, mkdirSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import {
  acquireLock,
  type Lock,
  readCgroupLayout,
  removeInterface,
  signalProcess,
  unmountBelow,
  waitForEnd,
} from "@pileus/core/driver";
import { removeCgroups } from "./cgroups.ts";
import type { ContainerSpec } from "./container-spec.ts";
import { removeEmptyFolder } from "./empty-folder.ts";
import { monitors } from "./monitor.ts";
import { containerPaths, type PlacedSpec } from "./paths.ts";
import { closeRoot, removeRoot } from "./root.ts";

/** What of a container must be known to clean up after it. */
export type ReleaseSpec = PlacedSpec & Pick<ContainerSpec, "nics">;

/**
 * Ends what still runs of it, by force, and gives back what a run holds on the host: mounts, cgroups, interfaces,
 * liblxc's lock. Idempotent. Its files stay.
 */
export async function releaseContainer(spec: ReleaseSpec): Promise<void> {
  for (const monitor of await monitors(spec)) {
    await signalProcess(monitor, "SIGKILL");
    await waitForEnd(monitor);
  }
  await using _turn = await takeTurn(spec);
  await releaseHost(spec);
}

/** Releases the container and removes its root. Idempotent; where neither was ever made it takes no root user. */
export async function removeContainer(spec: ReleaseSpec): Promise<void> {
  // The first thing that is made of it, and of a run.
  if (![spec.root.folder, containerPaths(spec).lxcpath].some((path) => existsSync(path))) return;
  await releaseContainer(spec);
  await removeRoot(spec);
}

/**
 * Releases one run whose monitor has ended. Nothing where another process that held it, too, has done so: what is there
 * under the same names may be the next run's.
 */
export async function releaseRun(spec: ReleaseSpec, mark: string | undefined): Promise<void> {
  await using _turn = await takeTurn(spec);
  if (mark !== undefined && markOf(spec) === mark) await releaseHost(spec);
}

/**
 * Tells a run from a later one by its configuration, which is written anew for each; `undefined` when there is none.
 */
export function markOf(spec: PlacedSpec): string | undefined {
  const found = statSync(containerPaths(spec).config, { bigint: true, throwIfNoEntry: false });
  // The time, too: a number of a file that was removed is given to the next.
  return found === undefined ? undefined : `${found.ino} ${found.ctimeNs}`;
}

/**
 * One process at a time, so that a run of which one has begun to give back everything is over for the others when it
 * has.
 */
async function takeTurn(spec: PlacedSpec): Promise<Lock> {
  const { releaseLock } = containerPaths(spec);
  mkdirSync(dirname(releaseLock), { recursive: true, mode: 0o711 });
  return await acquireLock(releaseLock, { retire: true });
}

async function releaseHost(spec: ReleaseSpec): Promise<void> {
  const { config, init, lock, lxcpath } = containerPaths(spec);
  // First: from here on it is nobody's run, should a step below fail, too.
  rmSync(dirname(config), { recursive: true, force: true });
  await removeCgroups(readCgroupLayout(), spec);
  // A veth goes with either end: there is none left unless the container's namespace is still being taken down.
  for (const { hostInterface } of spec.nics) await removeInterface(hostInterface);
  await closeRoot(spec);
  await unmountBelow(init);
  rmSync(lock, { force: true });
  for (const folder of [init, dirname(lock), lxcpath]) removeEmptyFolder(folder);
}
