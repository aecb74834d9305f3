/*
 * One entry of a log that a keeper writes: docs/design/0015-keeper.md. The format is the CRI log format of Kubernetes
 * (kubernetes/design-proposals-archive, node/kubelet-cri-logging.md): `TIME STREAM TAG CONTENT\n`.
 */

/** The longest content of one entry, in bytes. */
export const MAX_CONTENT = 8192;
/** `2026-11-29T06:00:00.123456789Z`: always as long as this. Compared as text, a later time is greater. */
export const TIME_LENGTH = 30;
/** The longest line of a log, without its newline. */
export const MAX_ENTRY = TIME_LENGTH + " console F ".length + MAX_CONTENT;

/** Who printed: a stream of the program, or the keeper itself. */
export type EntryStream = "stdout" | "stderr" | "console" | "keeper";

/** One entry. */
export interface LogEntry {
  /** UTC, with nanoseconds. */
  readonly time: string;
  readonly stream: EntryStream;
  /** Whether a line ends with it. If not, the next entry of the same stream continues the line. */
  readonly ends: boolean;
  /** The bytes that were printed, without the newline. They are part of the buffer that was parsed. */
  readonly content: Buffer;
}

/** What a keeper says of itself: see the table in docs/design/0015-keeper.md. */
export type Notice =
  | { readonly kind: "start" | "end" | "resume" }
  /** So many bytes were printed before, newlines included. */
  | { readonly kind: "at"; readonly count: number }
  /** So many entries with so many bytes are missing, because of this errno. */
  | { readonly kind: "lost"; readonly entries: number; readonly bytes: number; readonly errno: number };

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/;
const STREAMS: ReadonlySet<string> = new Set<EntryStream>(["stdout", "stderr", "console", "keeper"]);
const LOST = /^lost (\d{1,15}) (\d{1,15}) (\d{1,5})$/;
const AT = /^at (\d{1,16})$/;
const NEWLINE = Buffer.from("\n");

/** Renders one entry. `content` must have no newline, and at most {@link MAX_CONTENT} bytes. Pure. */
export function renderEntry({ time, stream, ends, content }: LogEntry): Buffer {
  return Buffer.concat([Buffer.from(`${time} ${stream} ${ends ? "F" : "P"} `, "latin1"), content, NEWLINE]);
}

/** Reads one line of a log, without its newline; `undefined` when it is not an entry. Pure. */
export function parseEntry(line: Buffer): LogEntry | undefined {
  if (line.length > MAX_ENTRY) return undefined;
  const head = line.toString("latin1", 0, MAX_ENTRY - MAX_CONTENT);
  const [time = "", stream = "", tag = "", rest] = head.split(" ", 4);
  if (rest === undefined || !TIME.test(time) || !STREAMS.has(stream) || (tag !== "F" && tag !== "P")) return undefined;
  const content = line.subarray(time.length + stream.length + tag.length + 3);
  return { time, stream: stream as EntryStream, ends: tag === "F", content };
}

/** Reads what an entry of the stream `keeper` says; `undefined` for one of a later release. Pure. */
export function parseNotice({ content }: LogEntry): Notice | undefined {
  const text = content.toString("latin1");
  if (text === "start" || text === "end" || text === "resume") return { kind: text };
  const [, count] = AT.exec(text) ?? [];
  if (count !== undefined) return { kind: "at", count: Number(count) };
  const [found, entries, bytes, errno] = LOST.exec(text) ?? [];
  if (found === undefined) return undefined;
  return { kind: "lost", entries: Number(entries), bytes: Number(bytes), errno: Number(errno) };
}

/** A moment, in milliseconds since the epoch, as the time of an entry. Pure. */
export function entryTime(moment: number, nanoseconds = 0): string {
  const fraction = String(nanoseconds).padStart(6, "0");
  return `${new Date(moment).toISOString().slice(0, -1)}${fraction}Z`;
}
