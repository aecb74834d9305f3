import { join } from "node:path";
import { type CgroupLayout, readCgroupLayout } from "../system/cgroup.ts";
import type { KeeperAccounts } from "./order.ts";

/**
 * Where the kernel counts what a run uses: the files of its cgroup. `folder` is the cgroup of a controller. `inner` is the
 * name of a cgroup below it that has processes of the run, too: version 1 counts those of one cgroup only.
 */
export function keeperAccounts(
  layout: Pick<CgroupLayout, "controller">,
  folder: (controller: "memory" | "cpuacct") => string | undefined,
  inner?: string,
): KeeperAccounts {
  const [memory, cpu] = [folder("memory"), folder("cpuacct")];
  const isVersion1 = (controller: string) => layout.controller(controller)?.version === 1;
  const kills = (path: string) => join(path, isVersion1("memory") ? "memory.oom_control" : "memory.events");
  const below = (path: string) => (inner !== undefined && isVersion1("memory") ? [kills(join(path, inner))] : []);
  const peak = isVersion1("memory") ? "memory.max_usage_in_bytes" : "memory.peak";
  return {
    ...(memory === undefined ? {} : { oomKills: [kills(memory), ...below(memory)], memoryPeak: join(memory, peak) }),
    ...(cpu === undefined
      ? {}
      : isVersion1("cpuacct")
        ? { cpuNanoseconds: join(cpu, "cpuacct.usage") }
        : { cpuMicroseconds: join(cpu, "cpu.stat") }),
  };
}

/** {@link keeperAccounts} of the cgroup that has this path below the root of each hierarchy: none without one. */
export function keeperAccountsIn(
  path: string | undefined,
  layout: Pick<CgroupLayout, "controller"> = readCgroupLayout(),
  inner?: string,
): KeeperAccounts {
  const folder = (controller: string) => {
    const mount = layout.controller(controller);
    return path === undefined || mount === undefined ? undefined : join(mount.path, path);
  };
  return keeperAccounts(layout, folder, inner);
}
