import type { ContainerSpec } from "../container-spec.ts";
import { inheritedVariables } from "../environment.ts";
import type { ConfigEntry } from "./render.ts";

/**
 * PID 1: its identity, place, environment and halt signal. Its argv is not part of this, because lxc.init.cmd cannot
 * quote; nor is its console, which the starter knows: helper/starter.c.
 */
export function initEntries(spec: ContainerSpec): readonly ConfigEntry[] {
  const { init } = spec;
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
  ];
}
