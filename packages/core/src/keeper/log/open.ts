import { join } from "node:path";
import type { Readable } from "node:stream";
import { destroyOnAbort } from "../../files/destroy-on-abort.ts";
import type { Abortable } from "../../flow/abortable.ts";
import { type EntryStream, entryTime } from "./entry.ts";
import { logLines } from "./lines.ts";
import { logBeginning, searchBackward } from "./position.ts";
import { type LogDecoder, readLog } from "./read.ts";
import { type LogFile, RotatedFiles } from "./rotated-files.ts";
import { logStream } from "./stream.ts";
import { LogText } from "./text.ts";

/** What a log is asked for. */
export interface LogQuery extends Abortable {
  /** Absent: all streams, in the order of their output. */
  readonly stream?: EntryStream | undefined;
  /** Milliseconds since the epoch. Absent: the last start. */
  readonly since?: number | undefined;
  /** The last lines only. */
  readonly tail?: number | undefined;
  readonly timestamps?: boolean | undefined;
  /** Goes on until this signal aborts. Absent: ends with what is there at the call. */
  readonly over?: AbortSignal | undefined;
}

/** The newest file of a keeper's log, in the log folder of an instance. */
export function keeperLogFile(folder: string): string {
  return join(folder, "output.log");
}

/** The last moment of which the time has as many digits as all others. */
const LAST = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/** Reads the log that the keepers of an instance have written: docs/design/0015-keeper.md. */
export function openKeeperLog(folder: string, query: LogQuery): Promise<Readable> {
  const { stream, tail, timestamps, over } = query;
  const since = query.since === undefined ? undefined : entryTime(Math.min(Math.max(0, query.since), LAST));
  const files = new RotatedFiles(keeperLogFile(folder));
  return opened(query, (stop) =>
    readLog(files, {
      begin: () => logBeginning(files, { stream, since, tail }),
      decoder: entryDecoder(new LogText({ stream, since, timestamps })),
      over,
      stop,
    }),
  );
}

/** What is kept of a log that a program writes by itself, in bytes: its end. On disk it may take twice as much. */
export const LOG_KEPT = 8 * 2 ** 20;

/**
 * Reads a log that a program writes by itself, with the older files that it has renamed to `path.1` and so on. It has no
 * times and no streams. Of a file of more than twice {@link LOG_KEPT}, only the lines within that many bytes of its end:
 * what is before may have been freed.
 */
export function openPlainLog(path: string, query: Pick<LogQuery, "tail" | "over" | "signal">): Promise<Readable> {
  const files = new RotatedFiles(path);
  const { tail = Number.POSITIVE_INFINITY, over } = query;
  const kept = (size: number) => (size > 2 * LOG_KEPT ? size - LOG_KEPT : 0);
  const begin = async () => {
    let count = 0;
    const found = await searchBackward(files, () => ++count > tail, kept);
    if (found === undefined) return undefined;
    const { file, offset } = found;
    // Its first line may have begun in a part or a file that is gone.
    const isCut = offset > 0 ? offset === kept(file.size) : files.isNumbered(file);
    return { file, offset: isCut ? await nextLine(file, offset) : offset };
  };
  return opened(query, (stop) => readLog(files, { begin, decoder: PLAIN, over, stop }));
}

async function opened({ signal }: Abortable, read: (stop: AbortSignal) => AsyncGenerator<Buffer>): Promise<Readable> {
  signal?.throwIfAborted();
  const stream = await logStream(read);
  destroyOnAbort(stream, signal);
  return stream;
}

function entryDecoder(text: LogText): LogDecoder {
  const lines = logLines();
  return {
    nothing: NOTHING,
    add: (bytes) => text.add(lines.take(bytes)),
    endFile: () => {
      const damaged = lines.reset();
      return damaged === 0 ? Buffer.alloc(0) : text.add([{ damaged }]);
    },
    remark: (words) => text.remark(words),
    end: () => text.end(),
  };
}

const NOTHING = Buffer.alloc(0);
const PLAIN: LogDecoder = {
  nothing: NOTHING,
  add: (bytes) => bytes,
  endFile: () => NOTHING,
  remark: (words) => Buffer.from(`\n[pileus: ${words}]\n`),
  end: () => NOTHING,
};

/** The longest line of which a reader is spared the end, in bytes. */
const LINE = 64 * 1024;

/** Where the first line after an offset begins; the offset itself if no line ends soon. */
async function nextLine(file: LogFile, offset: number): Promise<number> {
  const buffer = Buffer.alloc(LINE);
  const bytesRead = await file.read(buffer, LINE, offset);
  return offset + buffer.subarray(0, bytesRead).indexOf("\n") + 1;
}
