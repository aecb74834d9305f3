import type { FileHandle } from "node:fs/promises";

/** Bytes that can be read at any offset. Beyond the end there are zeros. */
export interface ByteSource {
  read(offset: number, length: number): Promise<Buffer>;
}

/** The bytes of an open file. An abort ends each read with its reason. */
export function bytesOf(file: FileHandle, signal?: AbortSignal): ByteSource {
  return {
    async read(offset, length) {
      signal?.throwIfAborted();
      const bytes = Buffer.alloc(length);
      for (let done = 0; done < length; ) {
        const { bytesRead } = await file.read(bytes, done, length - done, offset + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return bytes;
    },
  };
}
