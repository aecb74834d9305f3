import { join } from "node:path";
import { type CgroupLayout, readIfThereSync } from "@pileus/core/driver";

/**
 * How many processes of a container the kernel has killed because memory ran out; 0 if this host does not count.
 *
 * Version 2 also counts kills in the cgroups below (memory.events). Version 1 counts those of one cgroup
 * (memory.oom_control), so the container's own and `inner` are added, which has its init and the programs of
 * lxc-attach(1). Synchronous: the kernel has the numbers at hand, and each exec asks for them.
 */
export function oomKills(
  layout: Pick<CgroupLayout, "controller">,
  container: string | undefined,
  inner: string,
): number {
  const version = layout.controller("memory")?.version;
  if (container === undefined || version === undefined) return 0;
  if (version === 2) return readCount(join(container, "memory.events"));
  return readCount(join(container, "memory.oom_control")) + readCount(join(container, inner, "memory.oom_control"));
}

/** The line exists since Linux 4.13. */
function readCount(file: string): number {
  // A missing file means that the container has ended.
  return Number(/^oom_kill (\d+)$/m.exec(readIfThereSync(file) ?? "")?.[1] ?? 0);
}
