import { join } from "node:path";
import type { ContainerSpec } from "./container-spec.ts";

/** What of a container its places on the host follow from. */
export type PlacedSpec = Pick<ContainerSpec, "name" | "hostId" | "run" | "root" | "idmap">;

/** The files of one container on the host, by what they are for. */
export function containerPaths(spec: PlacedSpec) {
  // Short, for the sake of the socket's name, and on a file system that a reboot empties.
  const lxcpath = `/run/pileus/${spec.hostId}-${spec.name}`;
  return {
    /**
     * liblxc's `--lxcpath`, with the mount point of the root. The container's own root user must get in (liblxc looks
     * as that user), and nobody else: setuid programs of an image are not for the host's users.
     */
    lxcpath,
    /** `lxc.rootfs.path`: the mounted root. */
    root: join(lxcpath, "rootfs"),
    config: join(lxcpath, spec.name, "config"),
    /** Held by whoever gives back what a run held. */
    releaseLock: `${lxcpath}.lock`,
    /** A mount of its own, since /run need not let anything be executed. See init-helper.ts. */
    init: join(lxcpath, "init"),
    initHelper: join(lxcpath, "init", "helper"),
    initVerdict: join(lxcpath, "init", "verdict"),
    upper: join(spec.root.folder, "upper"),
    work: join(spec.root.folder, "work"),
    staging: join(spec.root.folder, "layers"),
    /** What the monitor says, level DEBUG: how PID 1 ended stands nowhere else. */
    log: join(spec.run, "monitor.log"),
    /** liblxc's own lock, made for every tool that names the container and never removed (lxclock.c, lxclock_name). */
    lock: join("/run/lxc/lock", lxcpath, `.${spec.name}`),
  };
}

/** Our cgroups, by their names under the base of each hierarchy. lxc.container.conf(5), lxc.cgroup.dir. */
export function cgroupNames(spec: Pick<ContainerSpec, "name" | "hostId">) {
  const container = `pileus-${spec.hostId}-${spec.name}`;
  return { container, inner: "init", monitor: `${container}.monitor`, pivot: `${container}.pivot` };
}
