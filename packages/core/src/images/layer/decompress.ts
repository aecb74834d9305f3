import type { Duplex, Readable } from "node:stream";
import { PassThrough } from "node:stream";
import { createGunzip } from "node:zlib";
import { CommandError, ImageError } from "../../errors/all.ts";
import { startTool } from "../../system/stream-tool.ts";
import { type Compression, compressionOf, MAGIC_LENGTH } from "./compression.ts";

export interface Decompression {
  readonly compression: Compression;
  /** To be put into a pipeline after the source. */
  readonly stream: Duplex;
  /** Settles when the decompressor has ended. @throws {ImageError} when it refused its input */
  readonly finished: Promise<void>;
}

// Each read of the source passes through JavaScript once: large pieces keep that rare.
const CHUNK = 256 * 1024;

// An archive determines how much memory reading it takes. xz -9 needs 65 MiB for each thread; 128 MiB (2^27) is the
// default limit of zstd(1).
const XZ = ["xz", "-dc", "-T0", "--memlimit-decompress=512MiB"];
const ZSTD = ["zstd", "-dc", "-q", "--long=27"];

/**
 * A decompressor for a stream that begins with `head`. Gzip is Node's own, on a thread and faster than gzip(1); the
 * others are tools of the host, which can write only in `folder` if at all.
 */
export function decompressor(
  image: string,
  head: Buffer,
  options: { readonly folder: string; readonly signal: AbortSignal },
): Decompression {
  const compression = compressionOf(head);
  switch (compression) {
    case "none":
      return { compression, stream: new PassThrough({ highWaterMark: CHUNK }), finished: Promise.resolve() };
    case "gzip":
      return { compression, stream: createGunzip({ chunkSize: CHUNK }), finished: Promise.resolve() };
    case "xz":
      return byTool(image, compression, XZ, "xz-utils", options);
    case "zstd":
      return byTool(image, compression, ZSTD, "zstd", options);
    default:
      return compression satisfies never;
  }
}

function byTool(
  image: string,
  compression: Compression,
  argv: readonly string[],
  fromPackage: string,
  { folder, signal }: { readonly folder: string; readonly signal: AbortSignal },
): Decompression {
  const tool = startTool(argv, { fromPackage, confinedTo: folder, signal });
  return {
    compression,
    stream: tool.duplex(),
    finished: tool.succeeded().catch((error: unknown) => {
      if (tool.missing) throw error;
      const needy = error instanceof CommandError && /memory/i.test(error.stderr);
      const why = needy ? "take too much memory to decompress" : "are corrupt";
      throw new ImageError(image, `its ${compression} data ${why}`, { cause: error });
    }),
  };
}

/** The first bytes of a stream, put back: fewer than asked only at its end. */
export async function peek(source: Readable): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  while (length < MAGIC_LENGTH) {
    const chunk: Buffer | null = source.read();
    if (chunk !== null) {
      parts.push(chunk);
      length += chunk.length;
    } else if (source.readableEnded || !(await readable(source))) break;
  }
  const head = Buffer.concat(parts);
  if (head.length > 0) source.unshift(head);
  return head;
}

/** Waits until there is more to read; false at the end. */
function readable(source: Readable): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => () => {
      source.off("readable", onReadable).off("end", onEnd).off("close", onEnd).off("error", onError);
      act();
    };
    const onReadable = settle(() => resolve(true));
    const onEnd = settle(() => resolve(false));
    const onError = (error: Error) => settle(() => reject(error))();
    source.on("readable", onReadable).on("end", onEnd).on("close", onEnd).on("error", onError);
  });
}
