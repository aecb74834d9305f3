import { finished, type Readable, type Writable } from "node:stream";

/**
 * Destroys the stream with the signal's reason itself when the signal aborts: `addAbortSignal()` of node:stream wraps
 * the reason in an error of its own.
 */
export function destroyOnAbort(stream: Readable | Writable, signal: AbortSignal | undefined): void {
  if (signal === undefined) return;
  const abort = () => void stream.destroy(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  finished(stream, () => signal.removeEventListener("abort", abort));
}
