import { type EntryStream, type LogEntry, MAX_ENTRY, parseEntry, parseNotice, TIME_LENGTH } from "./entry.ts";
import type { LogLine } from "./lines.ts";
import type { LogFile, RotatedFiles } from "./rotated-files.ts";

/** Where the reading of a log begins. */
export interface LogPosition {
  readonly file: LogFile;
  readonly offset: number;
  /** What was asked for begins earlier, in a file that was removed. */
  readonly isCut?: boolean | undefined;
}

/** What decides where it begins. */
export interface Beginning {
  readonly stream?: EntryStream | undefined;
  /** As {@link LogEntry.time}. Absent: the last start. */
  readonly since?: string | undefined;
  /** So many lines at most. */
  readonly tail?: number | undefined;
}

/** The bytes that are read at once. */
export const CHUNK = 64 * 1024;
const START_LENGTH = TIME_LENGTH + " keeper F start".length;

/** Whether a line is the last one that is not wanted. The first of a file that is asked for may have no newline yet. */
export type IsBefore = (line: LogLine, isWhole: boolean) => boolean;

/** Where a log of a keeper is to be read from; `undefined` when there is none. The caller closes the file. */
export async function logBeginning(files: RotatedFiles, beginning: Beginning): Promise<LogPosition | undefined> {
  let isFound = false;
  const isLast = isBefore(beginning);
  const position = await searchBackward(files, (line, isWhole) => {
    isFound = isLast(line, isWhole);
    return isFound;
  });
  if (position === undefined || isFound) return position;
  return { ...position, isCut: !(await beginsAtStart(position.file, files)) };
}

/** More bytes than a notice of a keeper has. */
const NOTICE = 128;

/**
 * Whether nothing was before this file, the oldest: each log begins with the start of a run, or with how much of it has
 * found no room. A later file may begin with that, too.
 */
async function beginsAtStart(file: LogFile, files: RotatedFiles): Promise<boolean> {
  const head = Buffer.alloc(NOTICE);
  const bytes = head.subarray(0, await file.read(head, NOTICE, 0));
  if (bytes.length === 0) return true;
  const entry = parseEntry(bytes.subarray(0, bytes.indexOf("\n")));
  const kind = entry?.stream === "keeper" ? parseNotice(entry)?.kind : undefined;
  return kind === "start" || (kind === "lost" && !files.isNumbered(file));
}

function isBefore({ stream, since, tail = Number.POSITIVE_INFINITY }: Beginning): IsBefore {
  let count = 0;
  // Streams of which the last line has been counted. Its parts, which come before, are not counted again.
  const seen = new Set<EntryStream>();
  const isStart = (entry: LogEntry) => entry.stream === "keeper" && parseNotice(entry)?.kind === "start";
  const isPrinted = (entry: LogEntry) => entry.stream !== "keeper" && (stream === undefined || stream === entry.stream);
  return (line, isWhole) => {
    if (!isWhole || !Buffer.isBuffer(line)) return false;
    // Of a long log, only the lines that are as long as the one that is searched need a closer look.
    if (tail === Number.POSITIVE_INFINITY && since === undefined && line.length !== START_LENGTH) return false;
    const entry = parseEntry(line);
    if (entry === undefined) return false;
    if (since === undefined) {
      if (isStart(entry)) return true;
    } else if (entry.time < since) return true;
    // The last line of the run before may have no end.
    if (isStart(entry)) seen.clear();
    if (!isPrinted(entry) || (!entry.ends && seen.has(entry.stream))) return false;
    if (count === tail) return true;
    count += 1;
    seen.add(entry.stream);
    return false;
  };
}

/**
 * Reads the lines of a log from its end to its beginning, until `isBefore` answers true: the position is behind that
 * line, or at the beginning of the oldest file. At most about {@link CHUNK} is in memory at once. `floor` is where a file
 * of this size begins.
 */
export async function searchBackward(
  files: RotatedFiles,
  isBefore: IsBefore,
  floor: (size: number) => number = () => 0,
): Promise<LogPosition | undefined> {
  let file = files.newest();
  while (file !== undefined) {
    let older: LogFile | undefined;
    try {
      const { size } = file;
      const begin = floor(size);
      const offset = await searchFile(file, isBefore, begin, size);
      if (offset !== undefined) return { file, offset };
      older = files.older(file);
      if (older === undefined) return { file, offset: begin };
    } catch (error) {
      file[Symbol.dispose]();
      throw error;
    }
    file[Symbol.dispose]();
    file = older;
  }
  return undefined;
}

async function searchFile(file: LogFile, isBefore: IsBefore, begin: number, size: number): Promise<number | undefined> {
  const buffer = Buffer.allocUnsafe(CHUNK);
  // The end of a line whose beginning is further to the front, and how many bytes it has in all.
  let rest: Buffer = Buffer.alloc(0);
  let length = 0;
  let isWhole = false;
  const lineOf = (head: Buffer): LogLine => {
    if (head.length + length > MAX_ENTRY) return { damaged: head.length + length };
    return length === 0 ? head : Buffer.concat([head, rest]);
  };
  for (let end = size; end > begin; ) {
    const start = Math.max(begin, end - CHUNK);
    const bytesRead = await file.read(buffer, end - start, start);
    // Cut off meanwhile by whoever writes it.
    if (bytesRead < end - start) return undefined;
    const bytes = buffer.subarray(0, bytesRead);
    let to = bytes.length;
    for (let at = bytes.lastIndexOf(10); at >= 0; at = at === 0 ? -1 : bytes.lastIndexOf(10, at - 1)) {
      const head = bytes.subarray(at + 1, to);
      // Nothing follows the last newline of a file.
      const isLine = isWhole || head.length + length > 0;
      if (isLine && isBefore(lineOf(head), isWhole)) return start + to + length + (isWhole ? 1 : 0);
      [rest, length, isWhole, to] = [Buffer.alloc(0), 0, true, at];
    }
    length += to;
    rest = length > MAX_ENTRY ? Buffer.alloc(0) : Buffer.concat([bytes.subarray(0, to), rest]);
    end = start;
  }
  const isLine = isWhole || length > 0;
  return isLine && isBefore(lineOf(Buffer.alloc(0)), isWhole) ? begin + length + (isWhole ? 1 : 0) : undefined;
}
