import { findTool } from "./find-tool.ts";
import { LAUNCH_HELPER_BINARIES } from "./launch-helper-binary.ts";
import { SealedHelper } from "./sealed-helper.ts";

/** What `launch()` starts before the tool: helper/launch-helper.c. */
export const LAUNCH_HELPER = new SealedHelper("launch", LAUNCH_HELPER_BINARIES);

/**
 * The command line that runs `argv` as `launch()` does, in a process that inherits the descriptor of
 * {@link LAUNCH_HELPER} as its `first`. The tool gets the descriptors below that one. `argv` begins with a path. Pure.
 */
export function launchArgv(argv: readonly string[], first: number): readonly string[] {
  return [`/proc/self/fd/${first}`, String(first), ...argv];
}

/**
 * The command line and the descriptors, from 3 on, of a tool that runs as `launch()` starts one, without a session of its
 * own. A tool that is not on PATH ends with 127.
 */
export function apart(
  [tool = "", ...rest]: readonly string[],
  descriptors: readonly number[] = [],
): { readonly argv: readonly string[]; readonly descriptors: readonly number[] } {
  const path = tool.includes("/") ? tool : (findTool(tool) ?? tool);
  return {
    argv: launchArgv([path, ...rest], 3 + descriptors.length),
    descriptors: [...descriptors, LAUNCH_HELPER.descriptor()],
  };
}
