import { Deadline } from "../driver/deadline.ts";
import type { Spawn } from "../system/spawn.ts";

/**
 * How long a tool of the host may take, in milliseconds. It takes some ten; one that hangs would keep every process of
 * this machine from its networks.
 */
const TOOL_TIMEOUT = 20_000;

/** A tool that hangs is ended, and its call rejects with a {@link TimeoutError}. */
export function withinTimeout(run: Spawn, timeout = TOOL_TIMEOUT): Spawn {
  return async (argv, options = {}) => {
    using deadline = new Deadline({ action: argv.slice(0, 2).join(" "), timeout, signal: options.signal });
    return await run(argv, { ...options, signal: deadline.signal });
  };
}
