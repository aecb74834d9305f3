import { join } from "node:path";
import type { ContainerSpec } from "./container-spec.ts";

/** What determines a container's paths on the host. */
export type PlacedSpec = Pick<ContainerSpec, "name" | "hostId" | "run" | "root" | "idmap">;

/** The files of one container on the host, by what they are for. */
export function containerPaths(spec: PlacedSpec) {
  // Short, because of the limit of the socket's name, and on a file system that a reboot empties.
  const lxcpath = `/run/pileus/${spec.hostId}-${spec.name}`;
  return {
    /**
     * liblxc's `--lxcpath`, with the mount point of the root. Only root and the group of the container's own root may
     * enter (liblxc looks as that user): the host's users must not reach setuid programs of an image.
     */
    lxcpath,
    /** `lxc.rootfs.path`: the mounted root. */
    root: join(lxcpath, "rootfs"),
    config: join(lxcpath, spec.name, "config"),
    /** The lock that a process holds while it gives back what a run held. */
    releaseLock: `${lxcpath}.lock`,
    /** A separate mount, because /run may be mounted noexec. See init-helper.ts. */
    init: join(lxcpath, "init"),
    initHelper: join(lxcpath, "init", "helper"),
    /** The socket to which each PID 1 comes before it becomes its program: see init-helper.ts. */
    announce: join(lxcpath, "init", "announce"),
    /** What programs of this run may do: confinement.ts. */
    confinement: join(lxcpath, "init", "confinement"),
    upper: join(spec.root.folder, "upper"),
    work: join(spec.root.folder, "work"),
    staging: join(spec.root.folder, "layers"),
    /** liblxc's own lock, made for every tool that names the container and never removed (lxclock.c, lxclock_name). */
    lock: join("/run/lxc/lock", lxcpath, `.${spec.name}`),
  };
}

/** The names of our cgroups under the base of each hierarchy. lxc.container.conf(5), lxc.cgroup.dir. */
export function cgroupNames(spec: Pick<ContainerSpec, "name" | "hostId">) {
  const container = `pileus-${spec.hostId}-${spec.name}`;
  return {
    container,
    inner: "init",
    keeper: `${container}.keeper`,
    monitor: `${container}.monitor`,
    pivot: `${container}.pivot`,
  };
}
