import type { Readable } from "node:stream";

/**
 * Yields the chunks of a stream, and destroys the stream when the loop ends for any reason. An abort does not wait for
 * the next chunk.
 */
export async function* chunksOf<T = Buffer>(
  stream: Readable,
  signal: AbortSignal | undefined,
): AsyncGenerator<T, void> {
  // This error is never seen: the signal's reason, which need not be an Error, is thrown instead.
  const abort = () => stream.destroy(new Error("aborted"));
  signal?.addEventListener("abort", abort, { once: true });
  // The loop throws the error, or has ended already: an error in between must not be an uncaught exception.
  stream.on("error", () => undefined);
  try {
    signal?.throwIfAborted();
    for await (const chunk of stream as AsyncIterable<T>) {
      yield chunk;
      signal?.throwIfAborted();
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener("abort", abort);
    stream.destroy();
  }
}
