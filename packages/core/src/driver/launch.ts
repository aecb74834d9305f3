import { type Child, type ChildOptions, startChild } from "../system/child.ts";
import { LAUNCH_HELPER, launchArgv } from "../system/launch-helper.ts";

/** Options of {@link launch}. */
export interface LaunchOptions extends Pick<ChildOptions, "env"> {
  /** All its descriptors, from 0 on: open descriptors of this process, or `ignore` for /dev/null. */
  readonly descriptors: readonly ("ignore" | number)[];
}

/**
 * Starts a tool of the host so that its programs in an instance inherit none of the settings of this process or of its
 * parents: umask, priority, processors, limits, OOM score, descriptors, session keyring. The tool gets its own session,
 * so that a ^C at our terminal does not reach it, and outlives this process unless it decides otherwise. `argv` begins
 * with the tool's path.
 *
 * @throws a system error if no process can be started. A tool that does not exist ends with 127.
 */
export function launch(argv: readonly string[], { descriptors, env }: LaunchOptions): Child {
  const all = [...descriptors, LAUNCH_HELPER.descriptor()];
  return startChild(launchArgv(argv, descriptors.length), { descriptors: all, session: true, env });
}
