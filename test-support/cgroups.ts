import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { readCgroupLayout } from "@pileus/core/driver";

/** The cgroups of a root on this machine, in all hierarchies: their names contain the root's id. */
export async function cgroupsOf(id: string): Promise<readonly string[]> {
  const found = readCgroupLayout().hierarchies.map(async ({ path }) =>
    (await readdir(path)).filter((name) => name.includes(id)).map((name) => `cgroup ${join(path, name)}`),
  );
  return (await Promise.all(found)).flat();
}
