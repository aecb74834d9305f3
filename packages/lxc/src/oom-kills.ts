import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { CgroupLayout } from "@pileus/core/driver";

/**
 * How many processes of a container the kernel has killed for want of memory; 0 where this host does not count.
 *
 * Version 2 counts those of the cgroups below, too (memory.events); version 1 those of one cgroup (memory.oom_control):
 * there the container's own and `inner`, where its init and the programs of lxc-attach(1) are.
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

/** Linux 4.13: an older kernel has the file without this line. */
async function readCount(file: string): Promise<number> {
  // Its container has ended.
  const text = await readFile(file, "utf8").catch(() => "");
  return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
}
