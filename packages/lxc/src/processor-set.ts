import { readdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";

const FILE = "cpuset.cpus";

/**
 * Sets the processors of a cgroup of version 1 and of all cgroups below: there, each must have some, and none that the
 * one above does not have, at any moment (cgroup-v1/cpusets.rst, 1.4). So they get the new ones from above, and lose the
 * old ones from below. `processors`: none means those of the cgroup above.
 */
export async function setProcessors(
  folder: string,
  processors: string,
  write: (path: string, value: string) => Promise<void>,
): Promise<void> {
  const wanted = processors || (await read(dirname(folder)));
  // Else sets that programs inside have chosen would go at each change of another limit.
  if ((await read(folder)) === wanted) return;
  const inner = await readdir(folder, { recursive: true, withFileTypes: true });
  const below = inner.filter((one) => one.isDirectory()).map((one) => join(one.parentPath, one.name));
  const all = [folder, ...below.sort((one, other) => one.length - other.length)];
  for (const one of all) await write(join(one, FILE), [await read(one), wanted].filter(Boolean).join());
  for (const one of all.reverse()) await write(join(one, FILE), wanted);
}

async function read(folder: string): Promise<string> {
  return (await readFile(join(folder, FILE), "utf8")).trim();
}
