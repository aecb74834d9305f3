import { ConfigError } from "@pileus/core";
import { DiskMounts } from "@pileus/core/driver";
import type { ContainerSpec } from "./container-spec.ts";
import { cgroupNames, containerPaths } from "./paths.ts";

/** The disks of a run. `openInside`: opens the root as its init sees it. */
export function disksOf(spec: ContainerSpec, openInside?: () => number): DiskMounts {
  const { container } = cgroupNames(spec);
  return new DiskMounts({
    root: containerPaths(spec).root,
    idmap: spec.idmap,
    run: spec.run,
    isInside: (cgroups) => cgroups.includes(`/${container}/`) || cgroups.endsWith(`/${container}\n`),
    openInside,
  });
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
