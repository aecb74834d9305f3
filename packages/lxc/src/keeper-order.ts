import {
  type CgroupLayout,
  type KeeperOrder,
  keeperAccountsIn,
  ownCgroupFolders,
  ownerOutside,
} from "@pileus/core/driver";
import { starterArgv } from "./commands.ts";
import type { ContainerSpec } from "./container-spec.ts";
import { inheritedVariables } from "./environment.ts";
import { cgroupNames } from "./paths.ts";

/** The size of a console before somebody attaches, which is that of most terminals. */
const CONSOLE_SIZE = { columns: 80, rows: 24 } as const;

/** What the keeper of a container is told. */
export function keeperOrder(spec: ContainerSpec, cgroups: CgroupLayout): KeeperOrder {
  const { output, logBounds = {} } = spec;
  const { container, inner, keeper } = cgroupNames(spec);
  return {
    argv: starterArgv(spec),
    // No PATH: liblxc would use newuidmap wherever it finds it, and that looks into /etc/subuid, where root usually has
    // no line.
    env: inheritedVariables(spec.init.env ?? {}),
    ...(output.kind === "console" ? { terminal: CONSOLE_SIZE, owner: rootOf(spec) } : { owner: output.owner }),
    log: { size: logBounds.maxSize, files: logBounds.maxFiles },
    cgroups: ownCgroupFolders(keeper, cgroups),
    // liblxc makes the cgroups of a container at the root of each hierarchy.
    accounts: keeperAccountsIn(container, cgroups, inner),
  };
}

/** Whom a console belongs to before somebody logs in: root and the group `tty`, which has this id in all distributions. */
function rootOf({ idmap }: ContainerSpec): { readonly uid: number; readonly gid: number } {
  return ownerOutside(idmap, { uid: 0, gid: 5 });
}
