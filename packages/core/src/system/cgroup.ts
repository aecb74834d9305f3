import { accessSync, constants, readFileSync } from "node:fs";

/** The mount of one controller on this host. cgroups(7). */
export interface ControllerMount {
  /** The version of cgroups, which decides what files its folders have. */
  readonly version: 1 | 2;
  /** The mount point. */
  readonly path: string;
  /** The cgroup at the root of the mount. Inside a cgroup namespace or a container it is not `/`. */
  readonly root: string;
}

/**
 * The host's cgroups, by controller. A controller is in its own hierarchy of version 1 or in the hierarchy of version
 * 2; hosts often have both. Version 2 always has `freezer`, and never `devices`.
 */
export class CgroupLayout {
  readonly #controllers: ReadonlyMap<string, ControllerMount>;
  readonly #unified: ControllerMount | undefined;

  constructor(controllers: ReadonlyMap<string, ControllerMount>, unified: ControllerMount | undefined) {
    this.#controllers = controllers;
    this.#unified = unified;
  }

  /** `unified` (only version 2), `legacy` (only version 1) or `hybrid` (both). */
  get kind(): "unified" | "legacy" | "hybrid" {
    if (this.#unified === undefined) return "legacy";
    return [...this.#controllers.values()].some(({ version }) => version === 1) ? "hybrid" : "unified";
  }

  /** All mounts of hierarchies, each once. */
  get hierarchies(): readonly ControllerMount[] {
    const all = [...this.#controllers.values(), ...(this.#unified === undefined ? [] : [this.#unified])];
    return all.filter((mount, index) => all.findIndex(({ path }) => path === mount.path) === index);
  }

  /** The mount of a controller; `undefined` when this host does not have it. */
  controller(name: string): ControllerMount | undefined {
    return this.#controllers.get(name);
  }

  /**
   * The folder of a process' cgroup for a controller, from the text of its /proc/PID/cgroup. `undefined` when this host
   * does not have the controller.
   */
  folderOf(processCgroups: string, controller: string): string | undefined {
    const mount = this.#controllers.get(controller);
    if (mount === undefined) return undefined;
    for (const line of processCgroups.split("\n")) {
      const [, id, names, path] = /^(\d+):([^:]*):(.*)$/.exec(line) ?? [];
      if (id === undefined || names === undefined || path === undefined) continue;
      const matches = mount.version === 2 ? id === "0" : names.split(",").includes(controller);
      if (matches) return mount.path + (mount.root === "/" ? path : path.slice(mount.root.length));
    }
    return undefined;
  }
}

/** Whether cgroups can be made in the folder of a hierarchy. */
export function isWritableFolder(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    // EROFS, also for root.
    return false;
  }
}

/** Reads the mounts of this host's cgroups. */
export function readCgroupLayout(): CgroupLayout {
  return parseCgroupLayout(readFileSync("/proc/self/mountinfo", "utf8"), (path) => readFileSync(path, "utf8"));
}

/** Pure except for `read`, which reads the controllers of version 2. Exported for tests. proc_pid_mountinfo(5). */
export function parseCgroupLayout(mountinfo: string, read: (path: string) => string): CgroupLayout {
  const controllers = new Map<string, ControllerMount>();
  let unified: ControllerMount | undefined;
  for (const line of mountinfo.split("\n")) {
    const [left, right] = line.split(" - ");
    const [, , , root, path] = (left ?? "").split(" ");
    const [type, , superOptions] = (right ?? "").split(" ");
    if (root === undefined || path === undefined) continue;
    if (type === "cgroup") {
      for (const name of (superOptions ?? "").split(",")) {
        if (!["rw", "ro", "xattr"].includes(name)) controllers.set(name, { version: 1, path, root });
      }
    } else if (type === "cgroup2") unified ??= { version: 2, path, root };
  }
  if (unified !== undefined) {
    const listed = read(`${unified.path}/cgroup.controllers`).trim().split(" ").filter(Boolean);
    for (const name of listed) controllers.set(name, unified);
    if (!controllers.has("freezer")) controllers.set("freezer", unified);
    // In version 2 every cgroup has the figures of cpuacct in its cpu.stat.
    if (!controllers.has("cpuacct")) controllers.set("cpuacct", unified);
  }
  return new CgroupLayout(controllers, unified);
}
