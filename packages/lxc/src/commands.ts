import { renderIdmap } from "@pileus/core/driver";
import type { ContainerSpec } from "./container-spec.ts";
import { INIT_ARGV } from "./init-helper.ts";
import { containerPaths, type PlacedSpec } from "./paths.ts";

/** argv of the starter: helper/starter.c. It is known before the root is open. */
export function starterArgv(spec: PlacedSpec): readonly string[] {
  const { idmap } = spec;
  const ids =
    idmap === undefined ? ["", "", ""] : [String(idmap.base), renderIdmap(idmap, "uid"), renderIdmap(idmap, "gid")];
  return [...monitorArgv(spec), ...ids, ...INIT_ARGV];
}

/** The beginning of each starter's argv. It serves to find a starter whose keeper and whose starting process are gone. */
export function monitorArgv(spec: PlacedSpec): readonly string[] {
  return ["pileus-starter", containerPaths(spec).lxcpath, spec.name];
}

/**
 * argv of lxc-attach(1) for a program by descriptor. That program is told over a connection what to run, and as which
 * user.
 */
export function attachArgv(tool: string, spec: ContainerSpec, program: string): readonly string[] {
  const { lxcpath } = containerPaths(spec);
  // As root, which can become any user. Without these, the program would run as the user of PID 1 (attach.c,
  // lxc_attach_get_init_uidgid).
  const root = ["--uid", "0", "--gid", "0"];
  // Our program gives up capabilities itself, as its last step before: those that PID 1 lacks are needed until then.
  const capable = "--elevated-privileges=CAP";
  return [tool, "--lxcpath", lxcpath, "--name", spec.name, ...root, capable, "--clear-env", "--", program];
}
