import { finished, type Writable } from "node:stream";
import { abortable } from "../../driver/deadline.ts";

/** Where a driver takes content: its stream, and when what was written is in place or gone. */
export interface Receiver {
  readonly stream: Writable;
  readonly done: Promise<void>;
}

/**
 * Writes all of `source` and waits until it is in place; after a failure or an abort, until nothing of it is left. A
 * source that stalls holds up neither: `pipeline()` of node:stream would wait for it.
 *
 * @throws `signal.reason`, the source's own error, or what the receiver reports: never what merely follows from one of
 * them.
 */
export async function feed(
  receiver: Receiver,
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { stream, done } = receiver;
  const iterator = source[Symbol.asyncIterator]();
  // Reported below, or told by what came before it.
  done.catch(() => undefined);
  try {
    await abortable(pump(iterator, stream), signal);
  } catch (error) {
    stream.destroy();
    await Promise.allSettled([done]);
    throw error;
  } finally {
    // Not waited for: a generator that stalls would never return.
    iterator.return?.().catch(() => undefined);
  }
  await abortable(done, signal).catch(async (error) => {
    stream.destroy();
    await Promise.allSettled([done]);
    throw error;
  });
}

/** Ends the stream after the last chunk. Returns early when the stream's other end has gone: it knows why. */
async function pump(iterator: AsyncIterator<Uint8Array>, stream: Writable): Promise<void> {
  let gone = false;
  let wake = () => {};
  finished(stream, { readable: false }, () => {
    gone = true;
    wake();
  });
  while (!gone) {
    const next = await new Promise<IteratorResult<Uint8Array> | undefined>((resolve, reject) => {
      wake = () => resolve(undefined);
      iterator.next().then(resolve, reject);
    });
    if (next === undefined) return;
    if (next.done === true) {
      stream.end();
      return;
    }
    if (!stream.write(next.value) && !gone) {
      await new Promise<void>((resolve) => {
        wake = resolve;
        stream.once("drain", resolve);
      });
    }
  }
}
