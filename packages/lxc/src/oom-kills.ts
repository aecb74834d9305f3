import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { CgroupLayout } from "@pileus/core/driver";

/**
 * How many processes of a container the kernel has killed because memory ran out; 0 if this host does not count.
 *
 * Version 2 also counts kills in the cgroups below (memory.events). Version 1 counts those of one cgroup
 * (memory.oom_control), so the container's own and `inner` are added, which has its init and the programs of
 * lxc-attach(1).
 */
export async function oomKills(
  layout: Pick<CgroupLayout, "controller">,
  container: string | undefined,
  inner: string,
): Promise<number> {
  const version = layout.controller("memory")?.version;
  if (container === undefined || version === undefined) return 0;
  if (version === 2) return readCount(join(container, "memory.events"));
  const counts = [container, join(container, inner)].map((folder) => readCount(join(folder, "memory.oom_control")));
  return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
}

/** The line exists since Linux 4.13. */
async function readCount(file: string): Promise<number> {
  // A missing file means that the container has ended.
  const text = await readFile(file, "utf8").catch(() => "");
  return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
}
