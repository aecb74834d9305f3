import type { OutputChunk } from "../../contract/detached.ts";
import { linkSignals } from "../../flow/deadline.ts";
import { type LogEntry, parseEntry, parseNotice } from "../log/entry.ts";
import { type LogLine, logLines } from "../log/lines.ts";
import { keeperLogFile } from "../log/open.ts";
import { logBeginning } from "../log/position.ts";
import { type LogDecoder, readLog } from "../log/read.ts";
import { RotatedFiles } from "../log/rotated-files.ts";

/** What of a program's output is wanted. */
export interface OutputQuery {
  /** Nothing before so many bytes. */
  readonly offset: number;
  /** Goes on until this signal aborts. Absent: ends with what is there. */
  readonly over?: AbortSignal | undefined;
  /** Ends the reading with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** Ends the reading, without an error. */
  readonly left?: AbortSignal | undefined;
}

const NEWLINE = Buffer.from("\n");

/**
 * Makes pieces of output of the lines of a log whose keeper counts: docs/design/0015-keeper.md. Pure, apart from where it
 * is.
 */
export class OutputDecoder implements LogDecoder<readonly OutputChunk[]> {
  readonly nothing: readonly OutputChunk[] = [];
  readonly #from: number;
  readonly #lines = logLines();
  #at = 0;

  /** Leaves out what comes before `from`. */
  constructor(from: number) {
    this.#from = from;
  }

  /** How many bytes were printed up to here. */
  get count(): number {
    return this.#at;
  }

  add(bytes: Buffer): readonly OutputChunk[] {
    return joined(this.#lines.take(bytes).flatMap((line) => this.#line(line)));
  }

  /** A keeper divides no entry between files. */
  endFile(): readonly OutputChunk[] {
    this.#lines.reset();
    return this.nothing;
  }

  /** What is missing shows in the offsets. */
  remark(): readonly OutputChunk[] {
    return this.nothing;
  }

  end(): readonly OutputChunk[] {
    return this.nothing;
  }

  #line(line: LogLine): readonly OutputChunk[] {
    const entry = Buffer.isBuffer(line) ? parseEntry(line) : undefined;
    if (entry === undefined) return [];
    if (entry.stream === "stdout" || entry.stream === "stderr") return this.#printed(entry.stream, entry);
    const notice = entry.stream === "keeper" ? parseNotice(entry) : undefined;
    // Never back: what a keeper that was killed had counted last may not be known.
    if (notice?.kind === "at") this.#at = Math.max(this.#at, notice.count);
    return [];
  }

  #printed(stream: OutputChunk["stream"], { content, ends }: LogEntry): readonly OutputChunk[] {
    const data = ends ? Buffer.concat([content, NEWLINE]) : content;
    const skipped = Math.max(0, this.#from - this.#at);
    const offset = this.#at + skipped;
    this.#at += data.length;
    return skipped >= data.length ? [] : [{ stream, offset, data: data.subarray(skipped) }];
  }
}

/** The same pieces, where those of one stream that follow each other are one. */
function joined(chunks: readonly OutputChunk[]): readonly OutputChunk[] {
  const groups: OutputChunk[][] = [];
  for (const chunk of chunks) {
    const group = groups.at(-1);
    const last = group?.at(-1);
    if (last?.stream === chunk.stream && last.offset + last.data.length === chunk.offset) group?.push(chunk);
    else groups.push([chunk]);
  }
  return groups.map((group) => ({ ...(group[0] as OutputChunk), data: Buffer.concat(group.map(({ data }) => data)) }));
}

/** Reads what a program has printed, from the log in its folder. */
export async function* readOutput(folder: string, query: OutputQuery): AsyncGenerator<OutputChunk> {
  const { offset, over, signal, left } = query;
  const files = new RotatedFiles(keeperLogFile(folder));
  const begin = () => logBeginning(files, {});
  using stop = linkSignals(signal, left);
  for await (const chunks of readLog(files, { begin, decoder: new OutputDecoder(offset), over, stop: stop.signal }))
    for (const chunk of chunks) {
      signal?.throwIfAborted();
      if (left?.aborted) return;
      yield chunk;
    }
  signal?.throwIfAborted();
}

/** How many bytes a program has printed, as far as they are in its log. */
export async function countOutput(folder: string): Promise<number> {
  const files = new RotatedFiles(keeperLogFile(folder));
  const decoder = new OutputDecoder(Number.POSITIVE_INFINITY);
  const { signal } = new AbortController();
  for await (const _ of readLog(files, { begin: () => logBeginning(files, {}), decoder, stop: signal }));
  return decoder.count;
}
