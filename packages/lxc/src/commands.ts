import type { ContainerSpec } from "./container-spec.ts";
import { initArgv } from "./init-helper.ts";
import { containerPaths, type PlacedSpec } from "./paths.ts";

/** argv of lxc-start(1), in the foreground: it is the container's monitor, for as long as it runs. */
export function startArgv(tool: string, spec: ContainerSpec): readonly string[] {
  const { log } = containerPaths(spec);
  // What our process was started with open must not reach the container. Standard input and output stay.
  const closed = "--close-all-fds";
  return [...monitorArgv(tool, spec), closed, "--logpriority", "DEBUG", "--logfile", log, "--", ...initArgv(spec)];
}

/** How each monitor's argv begins: by it one is found that was started a moment before our process died. */
export function monitorArgv(tool: string, spec: PlacedSpec): readonly string[] {
  return [tool, "--foreground", "--lxcpath", containerPaths(spec).lxcpath, "--name", spec.name];
}

/** argv of lxc-attach(1) with a program by descriptor: what it runs, and for whom, it is told there. */
export function attachArgv(tool: string, spec: ContainerSpec, program: string): readonly string[] {
  const { lxcpath } = containerPaths(spec);
  // As root, from whom one can become anybody: left out, it is whoever PID 1 is (attach.c, lxc_attach_get_init_uidgid).
  const root = ["--uid", "0", "--gid", "0"];
  return [tool, "--lxcpath", lxcpath, "--name", spec.name, ...root, "--clear-env", "--", program];
}
