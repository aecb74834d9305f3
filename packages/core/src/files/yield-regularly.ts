import { setImmediate } from "node:timers/promises";

/**
 * How long a series of synchronous steps may hold the event loop, in milliseconds; and how many cheap steps it may
 * have.
 */
const SLICE = 10;
const STEPS = 128;

/**
 * Returns a function to await between many synchronous steps: from time to time it yields to the event loop. It throws
 * the reason of an abort.
 */
export function yieldRegularly(signal: AbortSignal | undefined): () => Promise<void> | undefined {
  let count = 0;
  let since = performance.now();
  return () => {
    signal?.throwIfAborted();
    count += 1;
    if (count < STEPS && performance.now() - since < SLICE) return undefined;
    count = 0;
    return setImmediate().then(() => {
      since = performance.now();
    });
  };
}
