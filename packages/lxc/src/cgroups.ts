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
 * Kills what is left in a container's cgroups and removes them. At an orderly end liblxc removes its own cgroups,
 * except the one to which its monitor withdraws. Idempotent.
 */
export async function removeCgroups(layout: CgroupLayout, spec: Pick<ContainerSpec, "name" | "hostId">): Promise<void> {
  const { container, monitor, pivot } = cgroupNames(spec);
  await Promise.all([container, monitor, pivot].map((name) => removeOwnCgroup(name, layout)));
}
