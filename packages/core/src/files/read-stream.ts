import { close, createReadStream, read } from "node:fs";
import type { Readable } from "node:stream";
import type { Abortable } from "../flow/abortable.ts";
import { destroyOnAbort } from "./destroy-on-abort.ts";
import { fileError } from "./file-error.ts";

/** The content of the file open at `fd`, which it closes. Its errors are those of the contract, for `path`. */
export function readStream(fd: number, path: string, options: Abortable & { readonly chunk: number }): Readable {
  const fs = {
    open: () => undefined,
    close,
    read: ((file, buffer, offset, length, position, done) =>
      read(file, buffer, offset, length, position, (error, count, into) =>
        done(error === null ? null : (fileError("read", path, error) as Error), count, into),
      )) as (...args: Parameters<ReadCall>) => void,
  };
  const stream = createReadStream("", { fd, highWaterMark: options.chunk, fs });
  // A reader sees the failure all the same. Without one, after an abort, it must not be an uncaught error.
  stream.on("error", () => undefined);
  destroyOnAbort(stream, options.signal);
  return stream;
}

type ReadCall = (
  fd: number,
  buffer: Buffer,
  offset: number,
  length: number,
  position: number | null,
  done: (error: Error | null, count: number, buffer: Buffer) => void,
) => void;
