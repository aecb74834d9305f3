import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { LAUNCH_HELPER } from "./helpers.ts";

/** How a tool is launched: `stdio` are all of its descriptors. */
export interface LaunchOptions extends Pick<SpawnOptions, "env"> {
  readonly stdio: readonly ("ignore" | "pipe" | number)[];
}

/**
 * Starts a tool of the host, whose programs in a container then inherit nothing that our process, or whoever started
 * it, made of itself: umask, priority, limits, descriptors. In a session of its own: a ^C at our terminal is not for
 * it.
 *
 * @throws a system error where it cannot be started; later failures are its `error` event.
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
