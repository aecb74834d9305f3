import type { Abortable } from "../contract/abortable.ts";
import { abortableWithin, Deadline } from "../driver/deadline.ts";
import { hostFailure } from "../system/host-failure.ts";
import type { Spawn } from "../system/spawn.ts";

/** How long a call whose signal aborted may undo what it did before it rejects, in milliseconds. It goes on undoing. */
const GRACE = 1500;

/**
 * How long a tool of the host may take, in milliseconds. It takes some ten; one that hangs would keep every process of
 * this machine from its networks.
 */
const TOOL_TIMEOUT = 20_000;

/**
 * Does the work of a public call: rejects with the reason of its signal within {@link GRACE} of the abort, whatever
 * hangs, and with nothing but errors of this library.
 */
export async function settling<T>(action: string, { signal }: Abortable, work: () => Promise<T>): Promise<T> {
  signal?.throwIfAborted();
  try {
    return await abortableWithin(work(), signal, GRACE);
  } catch (error) {
    signal?.throwIfAborted();
    throw hostFailure(action, error);
  }
}

/** A tool that hangs is ended, and its call rejects with a {@link TimeoutError}. */
export function withinTimeout(run: Spawn, timeout = TOOL_TIMEOUT): Spawn {
  return async (argv, options = {}) => {
    using deadline = new Deadline({ action: argv.slice(0, 2).join(" "), timeout, signal: options.signal });
    return await run(argv, { ...options, signal: deadline.signal });
  };
}
