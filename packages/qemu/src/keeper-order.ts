import { basename } from "node:path";
import type { InstanceConfig } from "@pileus/core";
import {
  type KeeperAccounts,
  type KeeperOrder,
  keeperAccounts,
  keeperAccountsIn,
  type OwnCgroup,
  readCgroupLayout,
  readIfThere,
  TOOL_ENV,
} from "@pileus/core/driver";

/** What the keeper of a machine is told. `argv` is the command line that becomes QEMU. Pure. */
export function keeperOrder(
  argv: readonly string[],
  { log = {} }: Pick<InstanceConfig, "log">,
  accounts: KeeperAccounts,
): KeeperOrder {
  const bounds = { size: log.maxSize, files: log.maxFiles };
  return { argv, env: TOOL_ENV, input: true, console: true, log: bounds, accounts };
}

/** Where the kernel will count what a machine uses that is to start in this cgroup. */
export function accountsIn({ path }: OwnCgroup, layout = readCgroupLayout()): KeeperAccounts {
  return keeperAccountsIn(path, layout);
}

/** Where it counts for a QEMU that runs. `cgroup` is the name of its own: in another it is not alone. */
export async function accountsOf(pid: number, cgroup: string, layout = readCgroupLayout()): Promise<KeeperAccounts> {
  const cgroups = (await readIfThere(`/proc/${pid}/cgroup`)) ?? "";
  return keeperAccounts(layout, (controller) => {
    const folder = layout.folderOf(cgroups, controller);
    return folder !== undefined && basename(folder).startsWith(cgroup) ? folder : undefined;
  });
}
