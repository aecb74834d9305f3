import type { Readable } from "node:stream";

/**
 * The chunks of a stream, which is destroyed at the end of the loop however it ends. An abort does not wait for the
 * next chunk.
 */
export async function* chunksOf<T = Buffer>(
  stream: Readable,
  signal: AbortSignal | undefined,
): AsyncGenerator<T, void> {
  // Its own error is never seen: the reason, which need not be an Error, is thrown instead.
  const abort = () => stream.destroy(new Error("aborted"));
  signal?.addEventListener("abort", abort, { once: true });
  // The loop tells of it, or has ended: an error that comes between is nobody's uncaught exception.
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
