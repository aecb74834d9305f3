import { readFileSync } from "node:fs";
import { ConfigError, isInstanceError } from "@pileus/core";
import { DiskMounts } from "@pileus/core/driver";
import type { ContainerSpec } from "./container-spec.ts";
import type { InitProcess } from "./init-process.ts";
import { cgroupNames, containerPaths } from "./paths.ts";
import { openRootInside } from "./root-inside.ts";

/** The disks of a run. `init`: its PID 1, if it runs. */
export function disksOf(spec: ContainerSpec, init?: InitProcess): DiskMounts {
  const { container } = cgroupNames(spec);
  return new DiskMounts({
    root: containerPaths(spec).root,
    idmap: spec.idmap,
    run: spec.run,
    isInside: (cgroups) => cgroups.includes(`/${container}/`) || cgroups.endsWith(`/${container}\n`),
    ...(init && {
      openInside: () => unlessRebooting(init, () => openRootInside(init, spec.hostName)),
      readMountsInside: () => unlessRebooting(init, () => readFileSync(`/proc/${init.current().pid}/mountinfo`)),
    }),
  });
}

/** The next PID 1 gets the disks that are mounted by then. */
function unlessRebooting<T>(init: InitProcess, look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (init.find() === undefined || isInstanceError(error, "ERR_CONNECTION")) return undefined;
    throw error;
  }
}

/** Mounts the disks before PID 1 starts. @throws {ConfigError} naming the device and its option */
export async function mountDisks(spec: ContainerSpec): Promise<void> {
  const { devices = {}, tmpfs = [] } = spec;
  const covered = Object.entries(devices).flatMap(([name, device]) => {
    if (device.type !== "disk") return [];
    const by = tmpfs.find(({ path }) => device.path === path || device.path.startsWith(`${path}/`));
    const message = `the system inside has its own ${by?.path}, which would cover it: choose another path`;
    return by === undefined ? [] : [{ path: ["devices", name, "path"], message }];
  });
  if (covered.length > 0) throw new ConfigError("instance config", covered);
  if (Object.values(devices).some(({ type }) => type === "disk")) await disksOf(spec).change(devices);
}
