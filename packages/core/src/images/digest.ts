import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import type { ProgressOptions } from "../flow/abortable.ts";

/** The sha256 of a stream, as a digest. Reports the phase `verify`. */
export async function digestOf(
  stream: Readable,
  options: ProgressOptions & { readonly total?: number | undefined },
): Promise<string> {
  const hash = createHash("sha256");
  let done = 0;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      options.signal?.throwIfAborted();
      hash.update(chunk);
      done += chunk.length;
      options.onProgress?.({ phase: "verify", done, total: options.total });
    }
  } finally {
    stream.destroy();
  }
  return `sha256:${hash.digest("hex")}`;
}
