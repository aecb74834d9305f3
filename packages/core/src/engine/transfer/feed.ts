import type { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";

/** Where a driver takes content: its stream, and when what was written is in place or gone. */
export interface Receiver {
  readonly stream: Writable;
  readonly done: Promise<void>;
}

/**
 * Writes all of `source` and waits until it is in place; after a failure or an abort, until nothing of it is left.
 *
 * @throws the source's own error, `signal.reason`, or what the receiver reports, in this order: what follows from another is not told.
 */
export async function feed(
  receiver: Receiver,
  source: AsyncIterable<Uint8Array> | Readable,
  signal: AbortSignal | undefined,
): Promise<void> {
  let fault: { readonly error: unknown } | undefined;
  async function* watched() {
    try {
      yield* source;
    } catch (error) {
      fault = { error };
      throw error;
    }
  }
  const [fed, placed] = await Promise.allSettled([
    pipeline(watched, receiver.stream, signal === undefined ? {} : { signal }),
    receiver.done,
  ]);
  signal?.throwIfAborted();
  if (fault !== undefined) throw fault.error;
  if (placed.status === "rejected") throw placed.reason;
  if (fed.status === "rejected") throw fed.reason;
}
