import type { ContainerSpec } from "../container-spec.ts";
import { inheritedVariables } from "../environment.ts";
import type { ConfigEntry } from "./render.ts";

/**
 * PID 1: its identity, place, environment, terminal and halt signal. Its argv is not part of this, because lxc.init.cmd
 * cannot quote.
 */
export function initEntries(spec: ContainerSpec): readonly ConfigEntry[] {
  const { init, output } = spec;
  const inherited = inheritedVariables(init.env ?? {});
  return [
    // The id of the helper, which later sets the program's own.
    ["lxc.init.uid", 0],
    ["lxc.init.gid", 0],
    ["lxc.init.cwd", init.cwd ?? "/"],
    ...Object.entries(init.env ?? {}).map(
      ([name, value]): ConfigEntry => ["lxc.environment", Object.hasOwn(inherited, name) ? name : `${name}=${value}`],
    ),
    ["lxc.signal.halt", init.haltSignal],
    ...(output.kind === "console"
      ? [["lxc.console.logfile", output.file] as const]
      : // The program's descriptors are then the same as those of lxc-start.
        [["lxc.console.path", "none"] as const]),
  ];
}
