import { setImmediate } from "node:timers/promises";

/** Lets other work of the process run once in a while during a long row of synchronous steps, and notices an abort. */
export function everySoOften(signal: AbortSignal | undefined, steps = 128): () => Promise<void> | undefined {
  let count = 0;
  return () => {
    signal?.throwIfAborted();
    count += 1;
    return count % steps === 0 ? setImmediate() : undefined;
  };
}
