import { join } from "node:path";
import { type CgroupLayout, readIfThereSync, removeOwnCgroup } from "@pileus/core/driver";
import type { ContainerSpec } from "./container-spec.ts";
import { cgroupNames } from "./paths.ts";

/**
 * The folder of a container's own cgroup for a controller, which holds its limits. `undefined` if the host does not
 * have the controller.
 */
export function containerCgroup(
  layout: CgroupLayout,
  spec: Pick<ContainerSpec, "name" | "hostId">,
  init: number,
  controller: string,
): string | undefined {
  const folder = layout.folderOf(readIfThereSync(`/proc/${init}/cgroup`) ?? "", controller);
  // Its init is in a cgroup below. A systemd moves itself further down.
  const { container } = cgroupNames(spec);
  const at = folder?.split("/").lastIndexOf(container) ?? -1;
  return at < 0
    ? undefined
    : folder
        ?.split("/")
        .slice(0, at + 1)
        .join("/");
}

/**
 * Whether a process that is attached to a container may stay there. In version 2 of cgroups, systemd moves every process
 * out of its own cgroup before it gives controllers to the cgroups below, which a process that comes later would prevent
 * (cgroup-v2.rst, "No Internal Process Constraint"). Once systemd has done that, liblxc attaches to another cgroup.
 */
export function mayStayInside(
  layout: CgroupLayout,
  spec: Pick<ContainerSpec, "name" | "hostId" | "init">,
  findInit: () => number | undefined,
): boolean {
  if (spec.init.kind !== "systemd" || layout.kind !== "unified") return true;
  const init = findInit();
  if (init === undefined) return false;
  const folder = containerCgroup(layout, spec, init, "freezer");
  return (
    folder !== undefined &&
    (readIfThereSync(join(folder, cgroupNames(spec).inner, "cgroup.subtree_control")) ?? "").trim() !== ""
  );
}

/**
 * Kills what is left in a container's cgroups and removes them. At an orderly end liblxc removes its own cgroups,
 * except the one to which its monitor withdraws. Idempotent.
 */
export async function removeCgroups(layout: CgroupLayout, spec: Pick<ContainerSpec, "name" | "hostId">): Promise<void> {
  const { container, keeper, monitor, pivot } = cgroupNames(spec);
  // In it, liblxc makes the one to which its monitor withdraws (cgroup.h, CGROUP_PIVOT).
  const withdrawn = `${pivot}/lxc.pivot`;
  await Promise.all([container, keeper, monitor, withdrawn].map((name) => removeOwnCgroup(name, layout)));
  await removeOwnCgroup(pivot, layout);
}
