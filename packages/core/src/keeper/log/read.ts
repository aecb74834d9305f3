import { FolderChanges } from "./changes.ts";
import { CHUNK, type LogPosition } from "./position.ts";
import type { LogFile, RotatedFiles } from "./rotated-files.ts";

/** Makes what a caller reads of the bytes of a log's files: text, or a list. */
export interface LogDecoder<T extends Piece = Buffer> {
  /** An empty piece. */
  readonly nothing: T;
  /** The text of the next bytes. */
  add(bytes: Buffer): T;
  /** The text at the end of a file that is complete. */
  endFile(): T;
  /** A remark about the log itself. */
  remark(words: string): T;
  /** The text at the end of the log. */
  end(): T;
}

/** What a caller reads at once. */
interface Piece {
  readonly length: number;
}

/** How a log is read. */
export interface ReadOptions<T extends Piece = Buffer> {
  /** Where to begin; `undefined` while there is no file. */
  begin(): Promise<LogPosition | undefined>;
  readonly decoder: LogDecoder<T>;
  /** Aborts when nothing more is written. Absent: ends with what is there at the call. */
  readonly over?: AbortSignal | undefined;
  /** Ends the reading, without an error. */
  readonly stop: AbortSignal;
}

/** Where a reading that does not follow ends. */
interface Limit {
  readonly identity: string;
  readonly size: number;
}

/**
 * Reads a log across its files: what is there, and what is written until `over`. Each byte comes once, in order. A
 * reader that is slower than the writer by more than all files together misses some, and is told. The first piece is empty:
 * by then it is settled where the reading begins, and where it ends if it does not follow.
 */
export async function* readLog<T extends Piece>(files: RotatedFiles, options: ReadOptions<T>): AsyncGenerator<T> {
  const { decoder, over, stop } = options;
  // Before the first look, so that no change is missed.
  using changes = over === undefined ? undefined : new FolderChanges(files.folder);
  const limit = over === undefined ? limitOf(files) : undefined;
  let position = await options.begin();
  if (position === undefined) yield decoder.nothing;
  while (position === undefined) {
    if (changes === undefined || stop.aborted) return;
    const isOver = over?.aborted;
    position = await options.begin();
    if (position !== undefined) break;
    if (isOver) return;
    await changes.next(over, stop);
  }
  let { file, offset } = position;
  try {
    yield decoder.nothing;
    if (position.isCut) yield decoder.remark("what was printed before was removed, to keep this log to its size");
    for (;;) {
      if (stop.aborted) return;
      files.noteNeighbours(file);
      const end = file.identity === limit?.identity ? limit.size : Number.POSITIVE_INFINITY;
      // Whatever was written before the end of the run is there when that is known.
      const isOver = over?.aborted === true;
      for await (const [bytes, at] of bytesOf(file, offset, end)) {
        offset = at;
        const text = decoder.add(bytes);
        if (text.length > 0) yield text;
        if (stop.aborted) return;
      }
      if (file.identity === limit?.identity) break;
      const next = files.newer(file);
      if (next.file !== undefined) {
        // The writer may have added to the file before it began the next one.
        for await (const [bytes] of bytesOf(file, offset, end)) yield decoder.add(bytes);
        yield* whole(decoder.endFile());
        file[Symbol.dispose]();
        file = next.file;
        offset = 0;
        if (next.gap) yield decoder.remark("a part of this log was removed before it could be read here");
        // Then its end may be gone as well.
        if (next.gap && limit !== undefined) break;
      } else if (changes === undefined || isOver) break;
      else await changes.next(over, stop);
    }
    yield* whole(decoder.end());
  } finally {
    file[Symbol.dispose]();
  }
}

/** The bytes of a file from an offset to its end, and where each piece ends. */
async function* bytesOf(file: LogFile, from: number, end: number): AsyncGenerator<[Buffer, number]> {
  for (let at = from; at < end; ) {
    const buffer = Buffer.allocUnsafe(CHUNK);
    const bytesRead = await file.read(buffer, Math.min(CHUNK, end - at), at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield [buffer.subarray(0, bytesRead), at];
  }
}

function* whole<T extends Piece>(text: T): Generator<T> {
  if (text.length > 0) yield text;
}

function limitOf(files: RotatedFiles): Limit | undefined {
  using newest = files.newest();
  return newest && { identity: newest.identity, size: newest.size };
}
