import { finished, type Readable, type Writable } from "node:stream";

/**
 * Destroys the stream when the signal aborts, with its reason itself: `addAbortSignal()` of node:stream wraps it in an
 * error of its own.
 */
export function destroyOnAbort(stream: Readable | Writable, signal: AbortSignal | undefined): void {
  if (signal === undefined) return;
  const abort = () => void stream.destroy(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  finished(stream, () => signal.removeEventListener("abort", abort));
}
