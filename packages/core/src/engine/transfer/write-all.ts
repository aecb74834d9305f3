import { finished, type Writable } from "node:stream";
import { abortable } from "../../flow/deadline.ts";

/** How a driver receives content: a stream, and a promise that settles when the content is in place or gone. */
export interface Receiver {
  readonly stream: Writable;
  readonly done: Promise<void>;
}

/**
 * Writes all of `source` and waits until it is in place. After a failure or an abort it waits until nothing of the
 * content is left. It never waits for a source that stalls, as `pipeline()` of node:stream would.
 *
 * @throws `signal.reason`, the error of the source, or the error of the receiver: never a mere consequence of one of
 * them.
 */
export async function writeAll(
  receiver: Receiver,
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { stream, done } = receiver;
  const iterator = source[Symbol.asyncIterator]();
  // Awaited below, unless an earlier error is thrown.
  done.catch(() => undefined);
  try {
    await abortable(pump(iterator, stream), signal);
  } catch (error) {
    stream.destroy();
    await Promise.allSettled([done]);
    throw error;
  } finally {
    // No wait: a generator that stalls would never return.
    iterator.return?.().catch(() => undefined);
  }
  await abortable(done, signal).catch(async (error) => {
    stream.destroy();
    await Promise.allSettled([done]);
    throw error;
  });
}

/** Ends the stream after the last chunk. Returns early when the receiver closed the stream: `done` knows why. */
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
