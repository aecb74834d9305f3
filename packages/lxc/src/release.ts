import { existsSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { identifyProcess, signalProcess, spawn, waitForEnd } from "@pileus/core/driver";
import { removeCgroups } from "./cgroups.ts";
import type { ContainerSpec } from "./container-spec.ts";
import { removeEmptyFolder } from "./empty-folder.ts";
import { readHostFacts } from "./host-facts.ts";
import { monitorPids } from "./monitor.ts";
import { containerPaths, type PlacedSpec } from "./paths.ts";
import { closeRoot } from "./root.ts";

/** What of a container must be known to clean up after it. */
export type ReleaseSpec = PlacedSpec & Pick<ContainerSpec, "nics">;

/**
 * Ends what still runs of it, by force, and gives back what a run holds on the host: mounts, cgroups, interfaces, liblxc's lock.
 * Idempotent. Its files stay.
 */
export async function releaseContainer(spec: ReleaseSpec): Promise<void> {
  for (const pid of await monitorPids(spec)) {
    const monitor = await identifyProcess(pid);
    if (monitor === undefined) continue;
    await signalProcess(monitor, "SIGKILL");
    await waitForEnd(monitor);
  }
  await releaseHost(spec);
}

/** The same, once its monitor is known to have ended. */
export async function releaseHost(spec: ReleaseSpec): Promise<void> {
  const { config, initHelper, lock, lxcpath } = containerPaths(spec);
  await removeCgroups((await readHostFacts()).cgroups, spec);
  await removeInterfaces(spec);
  await closeRoot(spec);
  for (const file of [lock, initHelper]) rmSync(file, { force: true });
  rmSync(dirname(config), { recursive: true, force: true });
  for (const folder of [dirname(lock), lxcpath]) removeEmptyFolder(folder);
}

/** A veth goes with either end: there is none left unless the container's namespace is still being taken down. */
async function removeInterfaces({ nics }: Pick<ContainerSpec, "nics">): Promise<void> {
  for (const { hostInterface } of nics) {
    if (!existsSync(`/sys/class/net/${hostInterface}`)) continue;
    // 1: gone since we looked.
    await spawn(["ip", "link", "delete", hostInterface], { allow: [0, 1] });
  }
}
