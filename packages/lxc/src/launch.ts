import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { LAUNCH_HELPER } from "./helpers.ts";

/** How a tool is launched. `stdio` lists all its descriptors. */
export interface LaunchOptions extends Pick<SpawnOptions, "env"> {
  readonly stdio: readonly ("ignore" | "pipe" | number)[];
}

/**
 * Starts a tool of the host so that its programs in a container inherit none of the settings of this process or of its
 * parents: umask, priority, limits, descriptors. The tool gets its own session, so that a ^C at our terminal does not
 * reach it.
 *
 * @throws a system error if the tool cannot be started. Later failures are its `error` event.
 */
export function launch([tool = "", ...args]: readonly string[], { stdio, env }: LaunchOptions): ChildProcess {
  const first = stdio.length;
  return spawn(`/proc/self/fd/${first}`, [String(first), tool, ...args], {
    stdio: [...stdio, LAUNCH_HELPER.descriptor()],
    detached: true,
    cwd: "/",
    env,
  });
}
