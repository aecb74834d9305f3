import { LOG_KEPT } from "@pileus/core/driver";
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
    // Those of the helper, which later sets the program's own. liblxc enters the folder while it has others of the host
    // open, to which names in /proc/self/fd lead.
    ["lxc.init.uid", 0],
    ["lxc.init.gid", 0],
    ["lxc.init.cwd", "/"],
    ...Object.entries(init.env ?? {}).map(
      ([name, value]): ConfigEntry => ["lxc.environment", Object.hasOwn(inherited, name) ? name : `${name}=${value}`],
    ),
    ["lxc.signal.halt", init.haltSignal],
    ...(output.kind === "console"
      ? ([
          ["lxc.console.logfile", output.file],
          // The monitor begins a new file at this size, and keeps one older, with ".1" at the end of its name.
          ["lxc.console.size", LOG_KEPT],
          ["lxc.console.rotate", 1],
        ] as const)
      : // The program's descriptors are then the same as those of lxc-start.
        [["lxc.console.path", "none"] as const]),
  ];
}
