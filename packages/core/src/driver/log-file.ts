import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { Readable } from "node:stream";
import type { Abortable } from "../contract/abortable.ts";

/** The content of a log so far; empty when the file does not exist. For `Backend.logs()`. */
export async function readLogFile(path: string, options: Abortable = {}): Promise<Readable> {
  const size = await sizeOf(path);
  options.signal?.throwIfAborted();
  // Only up to the size at the call: a busy writer must not make the stream endless.
  return size === 0 ? Readable.from([]) : createReadStream(path, { end: size - 1, signal: options.signal });
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return 0;
    throw error;
  }
}
