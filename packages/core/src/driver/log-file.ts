import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { Readable } from "node:stream";
import type { Abortable } from "../contract/abortable.ts";

/** What a log holds up to now; nothing where there is no such file. For `Backend.logs()`. */
export async function readLogFile(path: string, options: Abortable = {}): Promise<Readable> {
  const size = await sizeOf(path);
  options.signal?.throwIfAborted();
  // Cut at what was there: a busy writer must not make it endless.
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
