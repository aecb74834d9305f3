import { setImmediate } from "node:timers/promises";

/**
 * How long a row of synchronous steps may hold the event loop, in milliseconds; and how many cheap ones come in a row.
 */
const SLICE = 10;
const STEPS = 128;

/** Lets other work of the process run once in a while during a long row of synchronous steps, and notices an abort. */
export function everySoOften(signal: AbortSignal | undefined): () => Promise<void> | undefined {
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
