import { HostError } from "@pileus/core";
import {
  type CgroupLayout,
  findTool,
  isWritableFolder,
  type Missing,
  missingTool,
  readCgroupLayout,
} from "@pileus/core/driver";
import { readApparmor } from "./apparmor.ts";
import type { ConfigFacts } from "./config/container-config.ts";
import { readSystemPaths } from "./config/system-paths.ts";
import { defaultProcesses } from "./limits.ts";

/** What a launch must know about the host. */
export interface HostFacts extends ConfigFacts {
  readonly cgroups: CgroupLayout;
  readonly tools: { readonly start: string; readonly attach: string };
}

const ROOT: Missing = { need: "root", reason: "only root can make containers", fix: "run as root" };

/** Root rights, if they are missing: all other checks need them. */
export function missingRoot(): readonly Missing[] {
  return process.geteuid?.() === 0 ? [] : [ROOT];
}

/** @throws {HostError} unless we are root */
export function requireRoot(): void {
  const missing = missingRoot();
  if (missing.length > 0) throw new HostError("make a container", missing);
}

/**
 * Read again each time: it takes a fraction of a millisecond, and hosts change. @throws {HostError} without liblxc's
 * tools
 */
export function readHostFacts(): HostFacts {
  return {
    cgroups: readCgroupLayout(),
    processes: defaultProcesses(),
    tools: { start: requireTool("lxc-start"), attach: requireTool("lxc-attach") },
    systemPaths: readSystemPaths(),
    apparmor: readApparmor(),
  };
}

/** The controllers without which liblxc starts no container: of the default limits, of devices, and of freezing. */
const CONTROLLERS = ["pids", "devices", "freezer"] as const;

/** The hierarchies of cgroups in which no container can be made, because they are read-only here. */
export function missingCgroupAccess(
  layout: Pick<CgroupLayout, "controller"> = readCgroupLayout(),
  isWritable = isWritableFolder,
): readonly Missing[] {
  const paths = new Set(CONTROLLERS.flatMap((name) => layout.controller(name)?.path ?? []));
  const refused = [...paths].filter((path) => !isWritable(path));
  if (refused.length === 0) return [];
  const fix = "mount the cgroup file systems for writing (mount -o remount,rw), or run where they are writable";
  return [{ need: "cgroup", reason: `they cannot be written: ${refused.join(", ")}`, fix }];
}

/** @throws {HostError} where no container can have cgroups */
export function requireCgroups(layout: CgroupLayout): void {
  const missing = missingCgroupAccess(layout);
  if (missing.length > 0) throw new HostError("start a container", missing);
}

/** The absolute path of a tool, because tools run with another PATH or none. */
function requireTool(name: string): string {
  const found = findTool(name);
  if (found !== undefined) return found;
  throw new HostError("run containers", [missingTool(name, "lxc")]);
}
