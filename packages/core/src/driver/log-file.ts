import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { Readable } from "node:stream";
import type { Abortable } from "../contract/abortable.ts";
import { LOG_KEPT } from "./bounded-log.ts";

/** Options of {@link readLogFile}. */
export interface LogFileOptions extends Abortable {
  /** The file continues another, and may begin within a line: the rest of that line is left out. Default false. */
  readonly continues?: boolean | undefined;
}

/**
 * The content of a log so far, for `Backend.logs()`; empty when the file does not exist. Of a log of more than twice
 * {@link LOG_KEPT}, only the last lines within that many bytes: `boundLog()` may have freed those before.
 */
export async function readLogFile(path: string, options: LogFileOptions = {}): Promise<Readable> {
  const { signal, continues = false } = options;
  const file = await openLog(path);
  try {
    signal?.throwIfAborted();
    const { size = 0 } = (await file?.stat()) ?? {};
    if (file !== undefined && size > 0) {
      const kept = size > 2 * LOG_KEPT ? size - LOG_KEPT : 0;
      const start = kept > 0 || continues ? await nextLine(file, kept) : 0;
      // Only up to the size at the call: a busy writer must not make the stream endless.
      if (start < size) return createReadStream(path, { fd: file, start, end: size - 1, signal });
    }
  } catch (error) {
    await file?.close();
    throw error;
  }
  await file?.close();
  return Readable.from([]);
}

async function openLog(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** The longest line of which a reader is spared the end, in bytes. */
const LINE = 64 * 1024;

/** Where the first line after an offset begins; the offset itself if no line ends soon. */
async function nextLine(file: FileHandle, offset: number): Promise<number> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(LINE), 0, LINE, offset);
  return offset + buffer.subarray(0, bytesRead).indexOf("\n") + 1;
}
