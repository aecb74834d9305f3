import { Deadline } from "../flow/deadline.ts";
import type { Spawn } from "../system/spawn.ts";

/**
 * How long a tool of the host may take, in milliseconds. It takes about ten; one that hangs would block the networks of
 * every process on this machine.
 */
const TOOL_TIMEOUT = 20_000;

/** Ends a tool that hangs, and rejects its call with a {@link TimeoutError}. */
export function withinTimeout(run: Spawn, timeout = TOOL_TIMEOUT): Spawn {
  return async (argv, options = {}) => {
    using deadline = new Deadline({ action: argv.slice(0, 2).join(" "), timeout, signal: options.signal });
    return await run(argv, { ...options, signal: deadline.signal });
  };
}
