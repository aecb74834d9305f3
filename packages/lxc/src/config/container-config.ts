import type { ContainerSpec, TmpfsSpec } from "../container-spec.ts";
import { initHelperMounts } from "../init-helper.ts";
import { cgroupNames, containerPaths } from "../paths.ts";
import { type CgroupFacts, cgroupEntries } from "./cgroup.ts";
import { initEntries } from "./init.ts";
import { networkEntries } from "./network.ts";
import type { ConfigEntry } from "./render.ts";
import { type SecurityFacts, securityEntries } from "./security.ts";
import { type SystemPaths, systemPathEntries } from "./system-paths.ts";

/** What a configuration depends on besides the container itself. */
export interface ConfigFacts extends SecurityFacts, CgroupFacts {
  readonly systemPaths: SystemPaths;
}

/** The whole configuration of a container. Pure. */
export function containerConfig(spec: ContainerSpec, facts: ConfigFacts): readonly ConfigEntry[] {
  const names = cgroupNames(spec);
  return [
    ["lxc.uts.name", spec.hostName],
    ["lxc.rootfs.path", `dir:${containerPaths(spec).root}`],
    ["lxc.mount.auto", "proc:mixed sys:mixed cgroup:mixed"],
    ...(spec.tmpfs ?? []).map((tmpfs): ConfigEntry => ["lxc.mount.entry", tmpfsEntry(tmpfs)]),
    ...(spec.confinement?.hideSystemPaths ? systemPathEntries(facts.systemPaths) : []),
    ...initHelperMounts(spec),
    ["lxc.tty.max", 0],
    ["lxc.pty.max", 1024],
    ...initEntries(spec),
    ...securityEntries(spec, facts),
    // lxc.cgroup.dir would leave empty cgroups behind. As the container's processes are in a cgroup below its own, that
    // gives them the controllers, and the kernel does not let systemd take those, and so the limits, from the root.
    ["lxc.cgroup.dir.container", names.container],
    ["lxc.cgroup.dir.container.inner", names.inner],
    ["lxc.cgroup.dir.monitor", names.monitor],
    ["lxc.cgroup.dir.monitor.pivot", names.pivot],
    ...cgroupEntries(spec, facts),
    ...networkEntries(spec.nics),
    ...Object.entries(spec.sysctls ?? {}).map(([name, value]): ConfigEntry => [`lxc.sysctl.${name}`, value]),
  ];
}

// fstab(5): blanks and backslashes are octal.
function tmpfsEntry({ path, mode = 0o755 }: TmpfsSpec): string {
  const target = path
    .replace(/^\/+/, "")
    .replaceAll(/[\s\\]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, "0")}`);
  return `tmpfs ${target} tmpfs rw,nosuid,nodev,mode=${mode.toString(8)},create=dir 0 0`;
}
