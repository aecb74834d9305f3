import type { ContainerSpec } from "./container-spec.ts";
import { initArgv } from "./init-helper.ts";
import { containerPaths, type PlacedSpec } from "./paths.ts";

/** argv of lxc-start(1), in the foreground: it is the container's monitor for as long as the container runs. */
export function startArgv(tool: string, spec: ContainerSpec): readonly string[] {
  const { log } = containerPaths(spec);
  // Descriptors that this process inherited must not reach the container. Standard input and output stay open.
  const closed = "--close-all-fds";
  return [...monitorArgv(tool, spec), closed, "--logpriority", "DEBUG", "--logfile", log, "--", ...initArgv(spec)];
}

/** The beginning of each monitor's argv. It serves to find a monitor that was started just before our process died. */
export function monitorArgv(tool: string, spec: PlacedSpec): readonly string[] {
  return [tool, "--foreground", "--lxcpath", containerPaths(spec).lxcpath, "--name", spec.name];
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
