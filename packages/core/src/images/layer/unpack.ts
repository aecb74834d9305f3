import { createHash, type Hash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { type Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { CommandError, ImageError, isInstanceError } from "../../errors/all.ts";
import type { ProgressOptions } from "../../flow/abortable.ts";
import { linkSignals } from "../../flow/deadline.ts";
import { isDiskFull, saysDiskFull } from "../../system/disk-full.ts";
import { diskFull } from "../../system/host-failure.ts";
import { completeTree } from "./complete.ts";
import { decompressor, peek } from "./decompress.ts";
import { LayerFilter, type LayerFindings } from "./filter.ts";
import { Judge } from "./judge.ts";
import type { LayerLimits } from "./limits.ts";
import { type LayerFolder, LowerLayers } from "./lower-layers.ts";
import { startTar } from "./tar.ts";

export interface UnpackOptions extends ProgressOptions {
  /** For messages. */
  readonly image: string;
  /** Open files that the tools inherit: see {@link ImageDraft.descriptors}. */
  readonly descriptors?: readonly number[] | undefined;
  /** The layers beneath, bottom first. */
  readonly lower: readonly LayerFolder[];
  readonly limits: LayerLimits;
  readonly whiteouts: boolean;
  /** The expected digest of the bytes as they come. */
  readonly digest?: string | undefined;
  /** The expected digest of the uncompressed bytes. */
  readonly diffId?: string | undefined;
  /** Called with the number of bytes as they come, for progress. */
  readonly size?: number | undefined;
}

export interface Unpacked extends LayerFindings {
  readonly diffId: string;
  /** The digest of the bytes as they came. */
  readonly digest: string;
  /** Bytes of the uncompressed tar. */
  readonly size: number;
}

/**
 * Unpacks a tar into `tree`, which it makes, as a layer in overlayfs' form. The content is valid only when this
 * returns; otherwise the caller removes the folder.
 *
 * The archive is judged in this process and written anew for tar(1), which only sees what {@link LayerFilter} accepted,
 * and can write only in `tree`: {@link startTar}. docs/design/0003-unpacking.md has the figures.
 *
 * @throws {ImageError} for a malformed or hostile archive, or a wrong digest. @throws {HostError} for a missing tool, a
 * full disk, or owners that only root can give.
 */
export async function unpackLayer(source: Readable, tree: string, options: UnpackOptions): Promise<Unpacked> {
  const { image } = options;
  // Ends the tools when anything fails, not only when the caller aborts.
  using failing = linkSignals(options.signal);
  const ends: Promise<void>[] = [];
  try {
    options.signal?.throwIfAborted();
    await mkdir(tree, { mode: 0o755 });
    const filter = new LayerFilter({ ...options, lower: new LowerLayers(options.lower), owner: onlyOwner() });
    const compressed = new Meter(options);
    const head = await peek(source);
    const decompression = decompressor(image, head, { folder: tree, signal: failing.signal });
    const plain = decompression.compression === "none";
    const judge = new Judge(image, filter, options.limits);
    let full = false;
    let lost: ImageError | undefined;
    const tar = startTar(tree, {
      signal: failing.signal,
      descriptors: options.descriptors,
      onLine: (line) => {
        // tar would go on with the next file, and fail at each; for an attribute it only prints a warning.
        lost ??= lostAttribute(image, line);
        full ||= saysDiskFull(line);
        if (full || lost !== undefined) failing.abort();
      },
    });
    tar.stdout.resume();
    ends.push(
      tar.gone(),
      decompression.finished.catch(() => undefined),
    );
    try {
      const stages = [compressed.stage(plain), decompression.stream] as const;
      const judged = (chunks: AsyncIterable<Buffer>) => judge.rewrite(chunks, failing.signal);
      await pipeline(source, ...stages, judged, tar.stdin, { signal: failing.signal });
      await decompression.finished;
      await tar.succeeded();
    } catch (error) {
      failing.abort();
      options.signal?.throwIfAborted();
      if (lost !== undefined) throw lost;
      if (full || isDiskFull(error)) throw diskFull(`unpack image ${image}`, error);
      throw await firstCause(error, image, [decompression.finished, tar.succeeded()]);
    }
    const diffId = judge.digest();
    const digest = plain ? diffId : compressed.digest();
    if (options.digest !== undefined && digest !== options.digest)
      throw mismatch(image, "digest", options.digest, digest);
    if (options.diffId !== undefined && diffId !== options.diffId)
      throw mismatch(image, "diff ID", options.diffId, diffId);
    const findings = judge.findings();
    await completeTree(image, tree, findings, options);
    return { ...findings, diffId, digest, size: judge.size };
  } finally {
    failing.abort();
    source.destroy();
    await Promise.all(ends);
  }
}

/** Without root, a process can only unpack files of its own user. That is enough for unit tests. */
function onlyOwner(): { readonly uid: number; readonly gid: number } | undefined {
  const [uid = 0, gid = 0] = [process.geteuid?.(), process.getegid?.()];
  return uid === 0 ? undefined : { uid, gid };
}

/**
 * The error for an attribute that GNU tar could not set (xattrs.c), although it unpacked the file. A file system
 * without any attributes is accepted, as Docker does.
 */
export function lostAttribute(image: string, line: string): ImageError | undefined {
  const match = /Cannot set '(.+)' extended attribute for file '(.*)': (.+)$/s.exec(line);
  if (match === null || /Operation not supported/.test(match[3] ?? "")) return undefined;
  const [, name, file, reason] = match;
  const hint = /No space/.test(reason ?? "") ? ", which has room for a few KiB of them beside a file" : "";
  return new ImageError(
    image,
    `the attribute ${name} of "${file}" cannot be kept on the store's file system${hint}: ${reason}`,
  );
}

/** Hashes and counts bytes as they came. */
class Meter {
  readonly #options: UnpackOptions;
  readonly #hash: Hash = createHash("sha256");
  #done = 0;
  constructor(options: UnpackOptions) {
    this.#options = options;
  }

  stage(uncompressed: boolean): Transform {
    const { onProgress, size } = this.#options;
    return new Transform({
      highWaterMark: 256 * 1024,
      transform: (chunk: Buffer, _encoding, done) => {
        try {
          // Uncompressed bytes are hashed once, as the diff ID.
          if (!uncompressed) this.#hash.update(chunk);
          this.#done += chunk.length;
          onProgress?.({ phase: "unpack", done: this.#done, total: size });
          done(null, chunk);
        } catch (error) {
          done(error as Error);
        }
      },
    });
  }

  digest(): string {
    return `sha256:${this.#hash.digest("hex")}`;
  }
}

/** The error of a stream whose neighbour in the pipeline went away: a consequence, never the cause. */
const BROKEN = ["EPIPE", "ECONNRESET", "ERR_STREAM_PREMATURE_CLOSE", "ERR_STREAM_DESTROYED", "ABORT_ERR"];

/** The first failure, the cause of the others: a tool that ends early breaks its neighbours' pipes. */
async function firstCause(error: unknown, image: string, tools: readonly Promise<void>[]): Promise<unknown> {
  if (error instanceof CommandError)
    return new ImageError(image, `it cannot be unpacked: ${error.message}`, { cause: error });
  if (isInstanceError(error)) return error;
  const code = (error as NodeJS.ErrnoException).code ?? "";
  if (code.startsWith("Z_"))
    return new ImageError(image, `its gzip data are corrupt: ${(error as Error).message}`, { cause: error });
  if (!BROKEN.includes(code)) return error;
  for (const result of await Promise.allSettled(tools)) {
    if (result.status === "fulfilled") continue;
    const reason: unknown = result.reason;
    // The failures of tools that we killed mean nothing.
    if (!(reason instanceof CommandError)) return reason;
    if (reason.signal !== "SIGKILL") return firstCause(reason, image, []);
  }
  return new ImageError(image, "its content broke off", { cause: error });
}

function mismatch(image: string, what: string, expected: string, actual: string): ImageError {
  return new ImageError(image, `its ${what} is ${actual}, not ${expected}`);
}
